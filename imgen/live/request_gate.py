"""Rate limit of requests: one round trip counts a request of a key and reads the epoch of keys."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from imgen.live import epochs
from imgen.live.command import PREFIX, Command, ignore

WINDOW_S = 60


class RateCheck(NamedTuple):
    """Result of counting one request: the epoch of keys, and the key's request rate over a sliding minute."""

    epoch: bytes | None
    """A token that changes whenever a key does; None after Redis lost it."""
    requests: float
    """Requests of this key in the last minute, this one included, estimated by a sliding window over two counters."""
    is_first: bool
    """Whether this request opened the present counter, which then needs an expiry."""


def hit(key_id: str, now: float) -> Command[RateCheck]:
    """Counts one request of a key and reads the epoch of keys."""
    window = now // WINDOW_S

    def decode(replies: Sequence[Any]) -> RateCheck:
        (epoch, previous), present = replies
        return RateCheck(epoch, _rate(previous, present, now), present == 1)

    commands = (("MGET", epochs.KEYS, _counter(key_id, window - 1)), ("INCR", _counter(key_id, window)))
    return Command(commands, decode)


def count(key_id: str, now: float) -> Command[float]:
    """Reads the request rate of a key, as `hit` estimates it, without counting a request."""
    window = now // WINDOW_S

    def decode(replies: Sequence[Any]) -> float:
        ((previous, present),) = replies
        return _rate(previous, present, now)

    return Command((("MGET", _counter(key_id, window - 1), _counter(key_id, window)),), decode)


def expire(key_id: str, now: float) -> Command[None]:
    """Sets the expiry of the present counter: the end of the window after its own."""
    return Command((("EXPIRE", _counter(key_id, now // WINDOW_S), 2 * WINDOW_S),), ignore)


def _rate(previous: bytes | None, present: bytes | int | None, now: float) -> float:
    share_of_previous = 1 - now % WINDOW_S / WINDOW_S
    return int(previous or 0) * share_of_previous + int(present or 0)


def _counter(key_id: str, window: float) -> str:
    return f"{PREFIX}requests:{key_id}:{int(window)}"
