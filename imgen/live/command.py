"""Redis command as a value: its calls and the decoder of their replies. Executors send it; nothing here does I/O."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

Arguments = tuple[str | int | float | bytes, ...]
Calls = tuple[Arguments, ...]
PREFIX = "imgen:"


class Command(NamedTuple, Generic[T]):
    """Calls to send together, and the function that decodes their raw replies (bytes, ints, None) into a value."""

    calls: Calls | Callable[[str], Calls]
    """A function makes them of the `run_id` of the server that they are sent to."""
    decode: Callable[[Sequence[Any]], T]


def calls_for(command: Command[Any], run_id: str) -> Calls:
    """Returns the calls for the server with that run id."""
    return command.calls(run_id) if callable(command.calls) else command.calls


def ping() -> Command[None]:
    """Asks Redis whether it answers."""
    return Command((("PING",),), ignore)


def ignore(_replies: Sequence[Any]) -> None:
    """Decodes the replies of a command without a result."""
    return


def first(replies: Sequence[Any]) -> Any:
    """Decodes the reply of a single call, which is the value."""
    return replies[0]
