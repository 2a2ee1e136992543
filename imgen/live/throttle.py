"""How often somebody tried to sign in lately. Redis forgets it by itself."""

from collections.abc import Sequence
from typing import Any

from imgen.live.op import PREFIX, Op, ignore

WINDOW_S = 900


def count(*names: str) -> Op[tuple[int, ...]]:
    """One more try under each name; how many there were within the window, this one included."""

    def decode(replies: Sequence[Any]) -> tuple[int, ...]:
        return tuple(replies[1::2])

    commands = [
        command for name in names for command in (("SET", _key(name), 0, "EX", WINDOW_S, "NX"), ("INCR", _key(name)))
    ]
    return Op(tuple(commands), decode)


def forgive(name: str) -> Op[None]:
    """Starts anew for a name."""
    return Op((("DEL", _key(name)),), ignore)


def _key(name: str) -> str:
    return f"{PREFIX}tries:{name}"
