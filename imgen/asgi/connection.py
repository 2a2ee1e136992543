"""Connection under a long answer: knows when the server stops and what its client took, and cuts off one that reads nothing."""

import asyncio
from collections.abc import Callable

from starlette.types import Scope

KEY = "imgen.connection"
"""Key of a request's scope."""
FIRST_LOOK_S, LONGEST_PAUSE_S = 0.001, 0.05
"""Pauses between looks at what a client has taken: most have it all at once, or 40 ms later by a delayed acknowledgement."""


class ConnectionControl:
    """Control of one connection; TimeoutProtocol makes one, other servers have none."""

    __slots__ = ("_abort", "_has_untaken", "_on_stop", "is_stopping")

    def __init__(
        self, abort: Callable[[], None] = lambda: None, has_untaken: Callable[[], bool] = lambda: False
    ) -> None:
        """Makes a control.

        Args:
            abort: ends the connection at once, unsent bytes and all.
            has_untaken: whether the client's system has yet to acknowledge something that was written.
        """
        self._abort = abort
        self._has_untaken = has_untaken
        self._on_stop: Callable[[], None] | None = None
        self.is_stopping = False

    def abort(self) -> None:
        """Ends the connection at once."""
        self._abort()

    async def all_taken(self, is_gone: Callable[[], bool], *, within_s: float) -> bool:
        """Waits until the client's system has acknowledged all that was written; returns whether it did.

        What a system has only accepted for sending is lost with the connection: with large buffers that is a whole answer.

        Args:
            is_gone: whether the client has gone, which ends the wait.
            within_s: longest wait.
        """
        clock = asyncio.get_running_loop().time
        ends_at, pause_s = clock() + within_s, 0.0
        while True:
            # Also without a pause: bytes leave, and the end of a connection is seen, in the loop's next turn
            await asyncio.sleep(pause_s)
            if is_gone():
                return False
            if not self._has_untaken():
                return True
            if clock() > ends_at:
                return False
            pause_s = min(pause_s * 2 or FIRST_LOOK_S, LONGEST_PAUSE_S)

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
