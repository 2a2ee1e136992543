"""Connection under a long answer: told when the server is about to stop, and cut off when its client does not read."""

from collections.abc import Callable

from starlette.types import Scope

KEY = "imgen.connection"
"""Key of a request's scope."""


class ConnectionControl:
    """Control of one connection; TimeoutProtocol makes one, other servers have none."""

    __slots__ = ("_abort", "_on_stop", "is_stopping")

    def __init__(self, abort: Callable[[], None] = lambda: None) -> None:
        """Takes what ends the connection at once, unsent bytes and all."""
        self._abort = abort
        self._on_stop: Callable[[], None] | None = None
        self.is_stopping = False

    def abort(self) -> None:
        """Ends the connection at once."""
        self._abort()

    def when_stopping(self, call: Callable[[], None] | None) -> None:
        """Has `call` called once the server is to stop, at once if it is already; None: nothing any more."""
        self._on_stop = call
        if self.is_stopping and call is not None:
            call()

    def stop(self) -> None:
        """Tells that the server is to stop."""
        self.is_stopping = True
        if self._on_stop is not None:
            self._on_stop()


def connection_control(scope: Scope) -> ConnectionControl:
    """Returns the control of a request's connection."""
    control: ConnectionControl = scope.get(KEY) or ConnectionControl()
    return control
