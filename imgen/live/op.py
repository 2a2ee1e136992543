"""A Redis operation as a value: commands and how to read their replies. Executors send it; nothing here does I/O."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

Command = tuple[str | int | float | bytes, ...]
PREFIX = "imgen:"


class Op(NamedTuple, Generic[T]):
    """Commands that are sent together, and the function that makes their raw replies (bytes, ints, None) into a value."""

    commands: tuple[Command, ...]
    decode: Callable[[Sequence[Any]], T]


def ignore(_replies: Sequence[Any]) -> None:
    """For operations whose replies say nothing."""
    return


def first(replies: Sequence[Any]) -> Any:
    """For operations of one command whose reply is the value."""
    return replies[0]
