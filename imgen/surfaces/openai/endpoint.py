"""Endpoint of the routes that make pictures: reads a request, makes its jobs, waits for them and answers with their pictures."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from imgen.asgi.connection import connection_control
from imgen.asgi.endpoint import Answer, Endpoint
from imgen.asgi.event_stream import send_events
from imgen.asgi.pieces import send_pieces
from imgen.asgi.presence import Presence, ServerStops, presence
from imgen.domain.errors import ImgenError, NotFinished, Retryable, Unavailable
from imgen.domain.job import Job
from imgen.domain.principal import GENERATE
from imgen.services import awaited_answers
from imgen.services.awaited_answers import new_wait
from imgen.services.core import Core
from imgen.surfaces.caller import Caller
from imgen.surfaces.openai import body, failures, results
from imgen.surfaces.openai.asked import Asked, Read
from imgen.surfaces.openai.streams import BrokenOff, PictureStream, farewell
from imgen.surfaces.openai.submitting import NAME, jobs_of

log = structlog.get_logger(__name__)


class PicturesEndpoint:
    """ASGI application of one route."""

    def __init__(self, core: Core, read: Read) -> None:
        """Takes the function that reads the route's requests."""
        self._core = core
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; a client that has gone gets no answer."""
        try:
            await self._answer(scope, receive, send)
        except ClientDisconnect:
            return
        except ImgenError as exc:
            await _refuse(exc, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        core, caller = self._core, Caller(self._core, scope, surface=NAME)
        principal = await caller.principal(scope=GENERATE)  # before a stranger's megabytes are read
        with contextlib.ExitStack() as stack:
            async with self._read(core, scope, receive) as asked:
                if asked.sent.stream:
                    stack.enter_context(core.open_streams.one(principal))
                wait = new_wait(principal, asked.fingerprint)
                key = caller.idempotency_key()
                jobs = await jobs_of(core, principal, asked, wait, scope=scope, key=key)
                asked = asked.without_files()  # noqa: PLW2901 - else they are held while the jobs are waited for
            async with awaited_answers.waiting(core, wait, jobs[0].id):
                exchange = _Exchange(scope, receive, send)
                if asked.sent.stream:
                    stream = PictureStream(core, asked, jobs)
                    wait.is_delivered = await _stream(stream, exchange, caller.may_still(GENERATE))
                else:
                    wait.is_delivered = await _whole(core, asked, jobs, exchange)


class _Exchange(NamedTuple):
    """Request under way, whose body has been read."""

    scope: Scope
    receive: Receive
    send: Send


async def _stream(stream: PictureStream, exchange: _Exchange, may_read: Callable[[], Awaitable[bool]]) -> bool:
    """Answers with events; returns whether the client got all that there will be."""
    try:
        is_sent = await send_events(*exchange, stream.frames(), may_read=may_read, reconnect_ms=0, farewell=farewell())
    except BrokenOff as exc:
        log.warning("a stream broke off", reason=str(exc.__cause__))
        connection_control(exchange.scope).abort()
        return False
    return is_sent and stream.is_complete


async def _whole(core: Core, asked: Asked, jobs: Sequence[Job], exchange: _Exchange) -> bool:
    """Answers once all pictures are there; returns whether the client got an answer that a retry would not better.

    Raises:
        starlette.requests.ClientDisconnect: the client has gone.
    """
    with presence(exchange.scope, exchange.receive) as client:
        try:
            answer, embedded = await _result(core, asked, jobs, client)
        except ImgenError as exc:
            await _refuse(exc, *exchange)
            return not (client.is_gone or isinstance(exc, NotFinished | Retryable))
        parts = body.encoded(answer, embedded)
        pieces = body.pieces(core.objects, parts)
        try:
            return await send_pieces(exchange.send, client, pieces, size_bytes=body.size_of(parts))
        except ImgenError as exc:  # the head is sent: the connection was ended in the middle of the body
            log.warning("an answer broke off", jobs=[job.id for job in jobs], reason=str(exc))
            return False


async def _result(core: Core, asked: Asked, jobs: Sequence[Job], client: Presence) -> results.Result:
    """Waits for jobs; returns the answer that they make in the end.

    Raises:
        starlette.requests.ClientDisconnect: the client has gone.
        Unavailable: the server stops.
        NotFinished: the wait is over.
        ImgenError: there is no picture.
    """
    tenant_id, ids = jobs[0].tenant_id, [job.id for job in jobs]
    try:
        await client.during(core.awaiting.ends(tenant_id, ids, timeout_s=core.settings.openai.wait_s))
    except ServerStops as exc:
        raise Unavailable(retry_after_s=1) from exc
    return await results.result(core, asked, await results.read_jobs(core, tenant_id, ids))


async def _refuse(error: ImgenError, scope: Scope, receive: Receive, send: Send) -> None:
    async def refused(_scope: Scope, _receive: Receive) -> Answer:
        return failures.failure(error)

    await Endpoint(refused)(scope, receive, send)
