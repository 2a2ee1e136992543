"""Digests of the weights that workers draw with, for API processes on machines without the files."""

from collections.abc import Mapping, Sequence
from typing import Any

from imgen.live.command import PREFIX, Command, ignore

_ALL = PREFIX + "weights"


def publish(digests: Mapping[str, str]) -> Command[None]:
    """Stores digests by the name of their model source, component or LoRA file."""
    fields = [part for name, digest in digests.items() for part in (name, digest)]
    return Command((("HSET", _ALL, *fields),), ignore)


def read(names: Sequence[str]) -> Command[list[str]]:
    """Returns the digests of these names; an empty one: unknown."""

    def decode(replies: Sequence[Any]) -> list[str]:
        return [(raw or b"").decode("ascii", "replace") for raw in replies[0]]

    return Command((("HMGET", _ALL, *names),), decode)
