"""Limits of sign-in: counts of tries within a window, in Redis alone."""

from collections.abc import Sequence
from typing import Any

from imgen.live.command import PREFIX, Command, ignore

WINDOW_S = 900


def count_try(name: str) -> Command[int]:
    """Counts one try; returns the count within the window, this one included."""
    return Command((("SET", _key(name), 0, "EX", WINDOW_S, "NX"), ("INCR", _key(name))), _second)


def reset(name: str) -> Command[None]:
    """Resets the count of a name."""
    return Command((("DEL", _key(name)),), ignore)


def uncount_try(name: str) -> Command[None]:
    """Uncounts one try that succeeded; the other tries and their window stay."""
    return Command((("SET", _key(name), 1, "EX", WINDOW_S, "NX"), ("DECR", _key(name))), ignore)


def _second(replies: Sequence[Any]) -> int:
    return int(replies[1])


def _key(name: str) -> str:
    return f"{PREFIX}tries:{name}"
