"""One request of MCP: its caller, and what its handler has to know of the connection under it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from starlette.types import Message, Receive, Scope

from imgen.asgi.answer_headers import answer_context
from imgen.asgi.connection import ConnectionControl, connection_control
from imgen.asgi.endpoint import header
from imgen.domain.principal import Principal
from imgen.services.core import Core
from imgen.surfaces.mcp.envelope import Envelope

NAME = "mcp"
PATH = "/mcp"
MODERN_SINCE = "2026-07-28"
"""First protocol version without a session, whose clients cancel a request by closing its stream."""
PROTOCOL_VERSION, SESSION_ID = b"mcp-protocol-version", b"mcp-session-id"
MAX_SESSION_CHARS = 200
_KEY = "imgen.mcp"
T = TypeVar("T")


class Spawn(Protocol):
    """Starts work that goes on when its call has ended."""

    def __call__(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a coroutine."""


class McpCall:
    """Call of an authenticated caller."""

    def __init__(
        self,
        core: Core,
        scope: Scope,
        receive: Receive,
        *,
        principal: Principal,
        envelope: Envelope,
        spawn: Spawn,
    ) -> None:
        """Takes an admitted request.

        Args:
            core: the core.
            scope: the request's head, which carries the call from then on.
            receive: of its connection, from after the body on.
            principal: the caller.
            envelope: of its message.
            spawn: starts work that goes on when the call has ended.
        """
        self.core = core
        self.scope = scope
        self.principal = principal
        self.envelope = envelope
        self.spawn = spawn
        self._receive = receive
        self._is_gone = False
        scope[_KEY] = self

    async def receive(self) -> Message:
        """Receives from the connection, and notes its end."""
        message = await self._receive()
        self._is_gone |= message["type"] == "http.disconnect"
        return message

    @property
    def control(self) -> ConnectionControl:
        """Returns the control of the connection."""
        return connection_control(self.scope)

    @property
    def is_modern(self) -> bool:
        """Returns whether the request is of a protocol version without sessions."""
        return header(self.scope, PROTOCOL_VERSION) >= MODERN_SINCE

    @property
    def is_given_up(self) -> bool:
        """Returns whether the client has given the request up, by closing its stream; a stopping server closes it itself."""
        return self.is_modern and self._is_gone and not self.control.is_stopping

    @property
    def session(self) -> str:
        """Returns the name of the client's session, which tells apart requests of one id; empty: it has none."""
        named = header(self.scope, SESSION_ID)
        return "" if self.is_modern or len(named) > MAX_SESSION_CHARS else named

    @property
    def host(self) -> str:
        """Returns the host by which the client calls this server."""
        return header(self.scope, b"host")

    @property
    def log_context(self) -> dict[str, str]:
        """Returns what the log says of the request."""
        return {"request": answer_context(self.scope).request_id}


def call_of(scope: Scope) -> McpCall:
    """Returns the call of a request."""
    call: McpCall = scope[_KEY]
    return call
