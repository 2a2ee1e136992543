"""Route of MCP: passes admitted requests to the transport of the `mcp` package, which the first of them has loaded."""

import asyncio
import contextlib
import gc
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Message, Receive, Scope, Send

from imgen.asgi.endpoint import replay_body
from imgen.services.core import Core
from imgen.surfaces.mcp import cancelling, refusals
from imgen.surfaces.mcp.admission import Admitted, admit, max_body_bytes
from imgen.surfaces.mcp.call import PATH, SESSION_ID, McpCall
from imgen.surfaces.mcp.envelope import CANCELLED, INITIALIZE
from imgen.threads import LOADING

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

T = TypeVar("T")
OK = 200


class McpRoute(BaseRoute):
    """Route of one process."""

    def __init__(self, core: Core, make: Callable[[Core], "Server[Any]"]) -> None:
        """Takes what makes the server, called in a thread at the first admitted request."""
        self._core = core
        self._make = make
        self._wanted = asyncio.Event()
        self._manager: asyncio.Future[StreamableHTTPSessionManager] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Compares the path."""
        is_ours = scope["type"] == "http" and scope["path"].rstrip("/") == PATH
        return (Match.FULL if is_ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> None:  # type: ignore[override]  # it has no name
        """Raises NoMatchFound: the route has no name."""
        raise NoMatchFound(name, path_params)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves while the block runs; then ends requests that still wait, and the work that was started for them."""
        self._manager = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(self._serve(self._manager))
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.gather(serving, *self._tasks, return_exceptions=True)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        try:
            admitted = await admit(self._core, scope, receive, spawn=self._spawn)
        except ClientDisconnect:
            return
        if isinstance(admitted, Admitted):
            await self._pass_on(admitted.call, admitted.body, send)
        else:
            await refusals.send_answer(admitted, scope, receive, send)

    async def _pass_on(self, call: McpCall, body: bytes, send: Send) -> None:
        if call.envelope.method == CANCELLED:
            await cancelling.cancel_named(call)
        if self._manager is None:
            raise RuntimeError("The route does not run: see `running`")
        self._wanted.set()
        manager = await asyncio.shield(self._manager)
        begins = call.envelope.method == INITIALIZE
        await manager.handle_request(
            call.scope, replay_body(body, call.receive), _with_session(send) if begins else send
        )

    async def _serve(self, manager: "asyncio.Future[StreamableHTTPSessionManager]") -> None:
        """Keeps the transport open, in one task from its beginning to its end."""
        await self._wanted.wait()
        try:
            made = await LOADING.run(self._make_manager)
        except Exception as exc:  # noqa: BLE001 - whoever waits for it gets the error
            manager.set_exception(exc)
            return
        gc.collect()
        gc.freeze()  # as at the process's start: each look for cycles through the package would take a tenth of a second
        async with made.run():
            manager.set_result(made)
            await asyncio.Event().wait()

    def _make_manager(self) -> "StreamableHTTPSessionManager":
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
        from sse_starlette.sse import AppStatus

        AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]  # waits end by themselves (waiting.py)
        server = self._make(self._core)
        return StreamableHTTPSessionManager(server, stateless=True, max_request_body_size=max_body_bytes(self._core))

    def _spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever wanted it may have gone


def _with_session(send: Send) -> Send:
    """Returns a `send` that names a new session. Nothing is kept of it: it tells apart requests that have the same id."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == OK:
            session = secrets.token_urlsafe(24).encode()
            message = {**message, "headers": [*message.get("headers", ()), (SESSION_ID, session)]}
        await send(message)

    return named
