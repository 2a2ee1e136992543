"""Events of the Action API, `GET /api/v2/events`: answers of `status` as they change, for a key or a signed-in browser."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from imgen.asgi.answer_headers import answer_context
from imgen.asgi.endpoint import AUTHORIZATION, Answer, Endpoint, header
from imgen.asgi.event_stream import HEADERS, frame, send_events
from imgen.domain.credential import SessionCredential
from imgen.domain.errors import BadId, Forbidden, ImgenError, InvalidField, JobNotFound, Retryable, Unauthorized
from imgen.domain.ids import is_job_id
from imgen.domain.principal import READ, Principal
from imgen.domain.user import User
from imgen.records import jobs
from imgen.services.accounts import authentication, sessions
from imgen.services.core import Core
from imgen.services.following import MOST_JOBS, Following, Update, follow
from imgen.surfaces.acting import acting, named_in_head
from imgen.surfaces.action.handlers import SURFACE
from imgen.surfaces.action.translation import status_answer
from imgen.surfaces.caller import Caller
from imgen.surfaces.session_cookie import SessionCookies
from imgen.surfaces.surface import Problem, problem_of

log = structlog.get_logger(__name__)

LAST_EVENT_ID = b"last-event-id"
MAX_QUERY_CHARS = 16 * 1024
MAX_NUMBER_DIGITS = 18
_encode = msgspec.json.Encoder().encode


class _Reader(NamedTuple):
    """Reader of a stream, and its right to read on."""

    principal: Principal
    may_read: Callable[[], Awaitable[bool]]


class EventsEndpoint:
    """ASGI application of the route."""

    def __init__(self, core: Core, error: Callable[[Problem], Answer]) -> None:
        """Takes the form of failures that come before the stream."""
        self._core = core
        self._error = error
        self._cookies = SessionCookies(core)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with a stream; with 204 one who comes back for jobs that have all ended, so that no browser comes again."""
        try:
            reader = await self._reader(scope)
            query = _query(scope)
            principal, ids, after = reader.principal, query.get("id", []), _after(scope, query)
            with self._core.open_streams.one(principal):
                async with follow(self._core, principal, ids, after=after) as followed:
                    if followed.has_nothing_left or scope["method"] == "HEAD":
                        status, headers = (204, []) if followed.has_nothing_left else (200, HEADERS)
                        await send({"type": "http.response.start", "status": status, "headers": headers})
                        await send({"type": "http.response.body", "body": b""})
                        return
                    await send_events(scope, receive, send, _frames(self._core, followed), may_read=reader.may_read)
        except ImgenError as exc:
            answer = self._error(problem_of(exc))

            async def refused(_scope: Scope, _receive: Receive) -> Answer:
                return answer

            await Endpoint(refused)(scope, receive, send)

    async def _reader(self, scope: Scope) -> _Reader:
        """Returns who reads: by the key of the head, else by the session of the cookie.

        Raises:
            Unauthorized, InvalidKey, KeyDisabled, OutOfScope, RateLimited: see Caller.
            SurfaceNotInPlan: the tenant's plan does not include the surface.
            Forbidden, InvalidField, JobNotFound: see `_credential`.
        """
        token = "" if header(scope, AUTHORIZATION) else await self._cookies.token(scope)
        if not token:
            caller = Caller(self._core, scope, surface=SURFACE)
            return _Reader(await caller.principal(scope=READ), caller.may_still(READ))
        user = await sessions.signed_in(self._core, token)
        if user is None or user.must_change_password:
            raise Unauthorized
        credential = await self._credential(scope, _query(scope), user)
        note = answer_context(scope).note_rate
        principal = await authentication.authenticate(self._core, credential, note=note)
        self._core.plan_of(principal.tenant.plan).require_surface(SURFACE)

        async def may_read() -> bool:
            try:
                now = await sessions.signed_in(self._core, token)
                if now is None:
                    return False
                again = await authentication.session_principal(self._core, SessionCredential(now, principal.tenant.id))
                self._core.plan_of(again.tenant.plan).require_surface(SURFACE)
            except Forbidden:
                return False
            except Retryable:  # not known now
                return True
            return True

        return _Reader(principal, may_read)

    async def _credential(self, scope: Scope, query: dict[str, list[str]], user: User) -> SessionCredential:
        """Returns the credential for the tenant that is named, else the owner of the first job, else the user's oldest one.

        Raises:
            BadId, JobNotFound: the user may see no such job.
            InvalidField: no tenant is named, and the user belongs to none.
        """
        named = named_in_head(scope) or "".join(query.get("tenant", [])[:1])
        if not named and (ids := query.get("id")):
            if not is_job_id(ids[0]):
                raise BadId
            job = await self._core.database.reading(jobs.find, ids[0])
            if user.scope is not None and job.tenant_id not in user.scope:
                raise JobNotFound
            named = job.tenant_id
        if not named and not user.tenant_ids:
            raise InvalidField("tenant")
        return acting(scope, user, named=named)


async def _frames(core: Core, followed: Following) -> AsyncGenerator[bytes, None]:
    """Encodes the updates. Where the database does not answer the stream ends, and its client comes back."""
    try:
        async for update in followed.updates():
            yield _encoded(core, update)
    except ImgenError as exc:
        log.warning("a stream of events is ended", reason=str(exc))


def _encoded(core: Core, update: Update) -> bytes:
    event_id = "" if update.number is None else str(update.number)
    if update.status is None:
        return frame(event_id=event_id)
    answer = msgspec.to_builtins(status_answer(core, update.job_id, update.status))
    return frame(event="status", event_id=event_id, data=_encode({"id": update.job_id} | answer))


def _query(scope: Scope) -> dict[str, list[str]]:
    """Parses the query.

    Raises:
        InvalidField: it names too many jobs.
    """
    raw = scope["query_string"]
    if len(raw) > MAX_QUERY_CHARS:
        raise InvalidField("id")
    try:
        query = parse_qs(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_JOBS + 20)
    except ValueError as exc:
        raise InvalidField("id") from exc
    return query


def _after(scope: Scope, query: dict[str, list[str]]) -> int | None:
    """Returns the place that a client goes on from; None: it has none, or names none of ours."""
    sent = header(scope, LAST_EVENT_ID) or "".join(query.get("last_event_id", [])[-1:])
    is_number = sent.isascii() and sent.isdecimal() and len(sent) <= MAX_NUMBER_DIGITS
    return int(sent) if is_number else None
