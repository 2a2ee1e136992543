"""Endpoint of the routes that make pictures: reads a request, makes its jobs, waits for them and answers with their pictures."""

import structlog
from sqlalchemy import Connection
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from imgen.asgi.answer_headers import note_replay
from imgen.asgi.endpoint import Answer, Endpoint
from imgen.asgi.pieces import send_pieces
from imgen.asgi.presence import Presence, ServerStops, presence
from imgen.domain.errors import ImgenError, InvalidField, Unavailable
from imgen.domain.idempotency import Once
from imgen.domain.job import Job
from imgen.domain.principal import GENERATE, Principal
from imgen.records import jobs as records
from imgen.services.core import Core
from imgen.services.submit import submit
from imgen.surfaces.caller import Caller
from imgen.surfaces.openai import body, failures, results
from imgen.surfaces.openai.asked import Asked, Read
from imgen.surfaces.openai.order import in_words_of_the_wire, make_order, note_warnings
from imgen.surfaces.openai.pictures import check_references

NAME = "openai"
"""Name that plans and jobs have for the surface."""
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
            await refuse(exc, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = Caller(self._core, scope, surface=NAME)
        principal = await caller.principal(scope=GENERATE)  # before a stranger's megabytes are read
        async with self._read(self._core, scope, receive) as asked:
            ids = await self._jobs(caller, principal, asked)
        with presence(scope, receive) as client:
            jobs = await self._ended(principal, ids, client)
            answer, embedded = await results.result(self._core, asked, jobs)
            parts = body.encoded(answer, embedded)
            try:
                await send_pieces(send, client, body.pieces(self._core.objects, parts), size_bytes=body.size_of(parts))
            except ImgenError as exc:  # the head is sent: the connection was ended in the middle of the body
                log.warning("an answer broke off", jobs=ids, reason=str(exc))

    async def _jobs(self, caller: Caller, principal: Principal, asked: Asked) -> list[str]:
        """Makes the jobs of a request; returns their ids.

        Raises:
            ImgenError: none is made.
        """
        core = self._core
        key = caller.idempotency_key()
        once = Once(route=asked.route, key=key, fingerprint=asked.fingerprint) if key else None
        order = await make_order(core, principal, asked)
        await check_references(core, principal, asked.pictures)
        try:
            submitted = await submit(core, principal, order, surface=NAME, once=once)
        except InvalidField as exc:
            raise in_words_of_the_wire(exc) from exc
        if submitted.is_replayed:
            note_replay()
        note_warnings(submitted.warnings)
        return [job.id for job in submitted.jobs]

    async def _ended(self, principal: Principal, ids: list[str], client: Presence) -> list[Job]:
        """Waits for jobs; returns them as they are in the end, or when the wait is over.

        Raises:
            starlette.requests.ClientDisconnect: the client has gone.
            Unavailable: the server stops.
            JobNotFound: one was deleted meanwhile.
        """
        core = self._core
        try:
            wait_s = core.settings.openai.wait_s
            await client.during(core.awaiting.ends(principal.tenant.id, ids, timeout_s=wait_s))
        except ServerStops as exc:
            raise Unavailable(retry_after_s=1) from exc
        return await core.database.reading(_jobs, principal.tenant.id, ids)


async def refuse(error: ImgenError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers an error."""

    async def refused(_scope: Scope, _receive: Receive) -> Answer:
        return failures.failure(error)

    await Endpoint(refused)(scope, receive, send)


def _jobs(connection: Connection, tenant_id: str, ids: list[str]) -> list[Job]:
    return [records.find(connection, job_id, tenant_id=tenant_id) for job_id in ids]
