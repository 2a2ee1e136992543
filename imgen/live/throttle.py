"""How often somebody tried to sign in lately. Redis forgets it by itself."""

from collections.abc import Sequence
from typing import Any

from imgen.live.op import PREFIX, Op, ignore

WINDOW_S = 900


def count(name: str) -> Op[int]:
    """One more try; how many there were within the window, this one included."""
    return Op((("SET", _key(name), 0, "EX", WINDOW_S, "NX"), ("INCR", _key(name))), _second)


def forgive(name: str) -> Op[None]:
    """Starts anew for this name."""
    return Op((("DEL", _key(name)),), ignore)


def give_back(name: str) -> Op[None]:
    """Takes one try back that turned out not to be one; the others go on counting, and so does their time."""
    return Op((("SET", _key(name), 1, "EX", WINDOW_S, "NX"), ("DECR", _key(name))), ignore)


def _second(replies: Sequence[Any]) -> int:
    return int(replies[1])


def _key(name: str) -> str:
    return f"{PREFIX}tries:{name}"
