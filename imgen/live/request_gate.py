"""Rate limit of requests: one round trip counts a request of a key and reads the epoch of keys."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from imgen.domain.rate import WINDOW_S
from imgen.live import epochs
from imgen.live.command import PREFIX, Command, ignore


class RateCheck(NamedTuple):
    """Result of counting one request: the epoch of keys, and two counters that make a sliding minute."""

    epoch: bytes | None
    """A token that changes whenever a key does; None after Redis lost it."""
    previous: int
    """Requests in the window before the present one."""
    present: int
    """Requests in the present window, this one included."""
    into_s: float
    """Time since the present window began."""

    @property
    def requests(self) -> float:
        """Returns the requests of the last minute, this one included: of the previous window the share that is within it."""
        return self.previous * (1 - self.into_s / WINDOW_S) + self.present

    @property
    def is_first(self) -> bool:
        """Returns whether this request opened the present counter, which then needs an expiry."""
        return self.present == 1

    def wait_s(self, limit: int) -> float:
        """Returns the seconds until one more request is within the limit, if this one is not counted."""
        counted, left_s = self.present - 1, WINDOW_S - self.into_s
        if counted < limit:  # the previous window's share must shrink to what is left
            share = (limit - self.present) / self.previous if self.previous else 1.0
            return max(0.0, WINDOW_S * (1 - share) - self.into_s)
        return left_s + max(0.0, WINDOW_S * (1 - (limit - 1) / counted))


def hit(owner: str, now: float) -> Command[RateCheck]:
    """Counts one request of a key or user and reads the epoch of keys."""
    window, into_s = divmod(now, WINDOW_S)

    def decode(replies: Sequence[Any]) -> RateCheck:
        (epoch, previous), present = replies
        return RateCheck(epoch, int(previous or 0), present, into_s)

    commands = (("MGET", epochs.KEYS, _counter(owner, window - 1)), ("INCR", _counter(owner, window)))
    return Command(commands, decode)


def count(owner: str, now: float) -> Command[float]:
    """Reads the request rate of a key or user, as `hit` estimates it, without counting a request."""
    window, into_s = divmod(now, WINDOW_S)

    def decode(replies: Sequence[Any]) -> float:
        ((previous, present),) = replies
        return RateCheck(None, int(previous or 0), int(present or 0), into_s).requests

    return Command((("MGET", _counter(owner, window - 1), _counter(owner, window)),), decode)


def expire(owner: str, now: float) -> Command[None]:
    """Sets the expiry of the present counter: the end of the window after its own."""
    return Command((("EXPIRE", _counter(owner, now // WINDOW_S), 2 * WINDOW_S),), ignore)


def uncount(owner: str, counted_at: float) -> Command[None]:
    """Uncounts a request that was refused. A counter that is gone stays gone, and none lasts for ever."""
    counter = _counter(owner, counted_at // WINDOW_S)
    return Command((("SET", counter, 1, "EX", 2 * WINDOW_S, "NX"), ("DECR", counter)), ignore)


def _counter(owner: str, window: float) -> str:
    return f"{PREFIX}requests:{owner}:{int(window)}"
