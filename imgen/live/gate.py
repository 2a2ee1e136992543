"""What every request reads before anything else: the key epoch and the caller's request counter."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from imgen.live import epochs
from imgen.live.op import PREFIX, Op, ignore

WINDOW_S = 60


class Passage(NamedTuple):
    """What the gate tells of one request."""

    epoch: bytes | None
    """A token that changes whenever a key does; None after Redis lost it."""
    requests: float
    """Requests of this key in the last minute, this one included, estimated by a sliding window over two counters."""
    is_first: bool
    """Whether this request opened the present counter, which then needs an expiry."""


def enter(key_id: str, now: float) -> Op[Passage]:
    """Counts one request of a key and reads the key epoch."""
    window, into = divmod(now, WINDOW_S)
    share_of_previous = 1 - into / WINDOW_S

    def decode(replies: Sequence[Any]) -> Passage:
        (epoch, previous), present = replies
        return Passage(epoch, int(previous or 0) * share_of_previous + present, present == 1)

    commands = (("MGET", epochs.KEYS, _counter(key_id, window - 1)), ("INCR", _counter(key_id, window)))
    return Op(commands, decode)


def expire(key_id: str, now: float) -> Op[None]:
    """Lets the present counter go when its window can no longer matter."""
    return Op((("EXPIRE", _counter(key_id, now // WINDOW_S), 2 * WINDOW_S),), ignore)


def _counter(key_id: str, window: float) -> str:
    return f"{PREFIX}requests:{key_id}:{int(window)}"
