"""Action API, `POST /api/v2` and the raw upload: decodes, dispatches over ACTIONS, translates errors. No logic of its own."""

from msgspec import Struct
from starlette.routing import Route
from starlette.types import Receive, Scope

from imgen.asgi.endpoint import Answer, Endpoint, json_answer, read_body, spool_body
from imgen.domain.errors import ImgenError
from imgen.domain.idempotency import Once, file_fingerprint, json_fingerprint
from imgen.domain.principal import GENERATE
from imgen.services import uploads
from imgen.services.core import Core
from imgen.surfaces.action import handlers, translation
from imgen.surfaces.action.answers import Failure, UploadAnswer
from imgen.surfaces.action.decoding import action_of, decode
from imgen.surfaces.action.streams import EventsEndpoint
from imgen.surfaces.caller import Caller
from imgen.surfaces.description import Description
from imgen.surfaces.surface import Problem, Surface, problem_of
from imgen.threads import FILES

PATH = "/api/v2"
UPLOAD_PATH = f"{PATH}/upload"
EVENTS_PATH = f"{PATH}/events"


def routes(core: Core) -> list[Route]:
    """Returns the routes of the surface: of all actions, and of a picture that is the whole body."""
    max_bytes = int(core.settings.http.max_body_mib * 1024 * 1024)

    async def answer(scope: Scope, receive: Receive) -> Answer:
        try:
            caller = Caller(core, scope, surface=handlers.SURFACE)
            await caller.before_body()
            body = await read_body(scope, receive, max_bytes=max_bytes)
            return json_answer(await dispatch(core, caller, body))
        except ImgenError as exc:
            return error(problem_of(exc))

    async def answer_upload(scope: Scope, receive: Receive) -> Answer:
        try:
            caller = Caller(core, scope, surface=handlers.SURFACE)
            return json_answer(await upload(core, caller, scope, receive))
        except ImgenError as exc:
            return error(problem_of(exc))

    return [
        Route(PATH, Endpoint(answer), methods=["POST"]),
        Route(UPLOAD_PATH, Endpoint(answer_upload), methods=["POST"]),
        Route(EVENTS_PATH, EventsEndpoint(core, error), methods=["GET"]),
    ]


async def dispatch(core: Core, caller: Caller, body: bytes) -> Struct:
    """Answers one call. A wrong key is reported before a wrong body."""
    try:
        call = decode(body)
        action = action_of(call)
        key = caller.idempotency_key() if action.is_once else ""
    except ImgenError:
        await caller.principal()
        raise
    principal = caller.principal(scope=action.scope)
    if not action.is_once:
        return await action.handler(core, principal, call)
    once = Once(route=PATH, key=key, fingerprint=json_fingerprint(body)) if key else None
    return await action.handler(core, principal, call, once)


async def upload(core: Core, caller: Caller, scope: Scope, receive: Receive) -> UploadAnswer:
    """Keeps the picture that is the body of a request. The key comes first: a stranger's megabytes are not read."""
    principal = await caller.principal(scope=GENERATE)
    with await spool_body(scope, receive, max_bytes=uploads.MAX_BYTES) as body:
        once = None
        if key := caller.idempotency_key():
            once = Once(route=UPLOAD_PATH, key=key, fingerprint=await FILES.run(file_fingerprint, body))
            body.seek(0)
        return handlers.told_upload(await uploads.upload(core, principal, body.read, once=once))


def error(problem: Problem) -> Answer:
    """Answers `{"error": text}`."""
    return json_answer(Failure(error=problem.text), problem.status, problem.headers)


def describe(core: Core) -> Description:
    """Describes the surface for the reference."""
    from imgen.surfaces.action import description

    return description.describe(core)


SURFACE = Surface(
    prefixes=(PATH,),
    routes=routes,
    name=handlers.SURFACE,
    ended=translation.told_answer,
    error=error,
    describe=describe,
)
