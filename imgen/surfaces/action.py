"""The Action API, `POST /api/v2`: decode, dispatch over ACTIONS, translate errors over STATUSES. Decides nothing itself."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import structlog
from msgspec import structs
from starlette.routing import Route
from starlette.types import Receive, Scope

from imgen.domain import errors
from imgen.domain.job import Job, Outcome, State, is_cached, utc_text
from imgen.domain.principal import GENERATE, READ, Principal
from imgen.services import jobs as job_service
from imgen.services import prompts, submit
from imgen.services.accounts import usage
from imgen.services.accounts.authentication import authenticate
from imgen.services.core import Core
from imgen.surfaces import action_wire as wire
from imgen.surfaces.http import Answer, Endpoint, bearer_key, json_answer, read_body

log = structlog.get_logger(__name__)

Admission = Awaitable[Principal]
"""Who is calling. Awaited by the handler, so that a poll can look up its job in the same round trip."""
Handler = Callable[[Core, Admission, Any], Awaitable[dict[str, Any]]]

STATUSES: dict[type[errors.ImgenError], int] = {
    errors.Unauthorized: 401,
    errors.OutOfScope: 403,
    errors.Invalid: 400,
    errors.JobNotFound: 404,
    errors.CacheMiss: 404,
    errors.CacheExpired: 404,
    errors.TooLarge: 413,
    errors.RateLimited: 429,
    errors.QuotaExceeded: 429,
    errors.QueueFull: 429,
    errors.GenerationFailed: 502,
    errors.EnhancementFailed: 502,
    errors.Unavailable: 503,
    errors.Retryable: 503,
}
"""Error → HTTP status; a child class counts as its nearest parent in here."""

WIRE_STATUS: dict[State, str] = {
    State.QUEUED: "IN_QUEUE",
    State.RENDERING: "IN_PROGRESS",
    State.RENDERED: "IN_PROGRESS",
    State.FINISHING: "IN_PROGRESS",
    State.COMPLETED: "COMPLETED",
    State.BLOCKED: "COMPLETED",
    State.FAILED: "FAILED",
    State.TIMED_OUT: "TIMED_OUT",
    State.CANCELLED: "CANCELLED",
}

JOBS_PAGE = 20
MAX_JOBS_PAGE = 100


def routes(core: Core) -> list[Route]:
    """The surface's one route."""
    max_bytes = int(core.settings.http.max_body_mib * 1024 * 1024)

    async def answer(scope: Scope, receive: Receive) -> Answer:
        try:
            key = bearer_key(scope)
            body = await read_body(scope, receive, max_bytes=max_bytes)
            return json_answer(await dispatch(core, key, body))
        except errors.ImgenError as exc:
            return error_answer(exc)

    return [Route("/api/v2", Endpoint(answer), methods=["POST"])]


async def dispatch(core: Core, key: str, body: bytes) -> dict[str, Any]:
    """Answers one call. A wrong key comes before a wrong body."""
    try:
        call = wire.decode(body)
    except errors.ImgenError:
        await authenticate(core, key)
        raise
    action = ACTIONS[type(call)]
    return await action.handler(core, authenticate(core, key, scope=action.scope), call)


def error_answer(error: errors.ImgenError) -> Answer:
    """`{"error": text}` with its status, and `Retry-After` where trying again helps."""
    status = status_of(type(error))
    if status >= 500:  # noqa: PLR2004 - ours, not the client's
        log.error("request failed", code=error.code, reason=str(error), exc_info=status == 500)  # noqa: PLR2004
    retry_after_s = error.retry_after_s or (2 if status in (429, 503) else None)
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    text = "Service unavailable" if status == 503 else str(error) if status != 500 else "Internal error"  # noqa: PLR2004
    return json_answer({"error": text}, status, headers)


def status_of(error: type[errors.ImgenError]) -> int:
    """The HTTP status that such an error is answered with."""
    return next((STATUSES[kind] for kind in error.__mro__ if kind in STATUSES), 500)


async def models(core: Core, admission: Admission, _call: wire.Models) -> dict[str, Any]:
    """Characters, models and styles, in configured order."""
    await admission
    catalog = core.catalog

    def described(key: str) -> dict[str, Any]:
        model = catalog.models[key]
        styles = {name: {"label": style.label} for name, style in model.styles.items()}
        own = catalog.characters_of(model)
        restricted = {} if own == tuple(catalog.characters) else {"characters": own}
        return {"label": model.label, "default_style": model.default_style, "styles": styles, **restricted}

    return {"characters": list(catalog.characters), "models": {key: described(key) for key in catalog.models}}


async def generate(core: Core, admission: Admission, call: wire.Generate) -> dict[str, Any]:
    """Makes a job and tells its id."""
    principal = await admission
    submitted = await submit.submit(core, principal, wire.ask_of(call), surface="action")
    job = submitted.job
    answer = {
        "id": job.id,
        "prompt": job.recipe.words.prompt,
        "model": job.recipe.model,
        "format": job.recipe.output.format,
        "gen_id": job.gen_id,
        **({"cache": True} if is_cached(job.id) else {}),
    }
    return answer | ({"warnings": submitted.warnings} if submitted.warnings else {})


async def status(core: Core, admission: Admission, call: wire.Status) -> dict[str, Any]:
    """How a job stands, with addresses signed now."""
    job_id = id_of(call)
    glimpse = job_service.get_view(core, job_id)
    principal = await admission
    standing = await job_service.job_status(core, principal, job_id, glimpse)
    outcome = standing.view.outcome
    answer = {"status": WIRE_STATUS[standing.view.state], **({} if outcome is None else told(core, outcome))}
    if outcome is not None:
        return answer | ({"cache": True} if outcome.meta and is_cached(job_id) else {})
    ours = {"position": standing.position, "progress": standing.progress, "eta": standing.eta_s}
    return answer | {name: value for name, value in ours.items() if value is not None}


async def optimize(core: Core, admission: Admission, call: wire.Optimize) -> dict[str, Any]:
    """A better prompt."""
    await admission
    model, style = wire.choice(call.model), wire.choice(call.style)
    return {"prompt": await prompts.optimize(core, call.prompt, model=model, style=style)}


async def random(core: Core, admission: Admission, call: wire.Random) -> dict[str, Any]:
    """A prompt out of the word lists."""
    await admission
    return {"prompt": prompts.randomize(core, wire.choice(call.character))}


async def cancel(core: Core, admission: Admission, call: wire.Cancel) -> dict[str, Any]:
    """Ends a job."""
    job = await job_service.cancel(core, await admission, id_of(call))
    return {"status": WIRE_STATUS[job.state]}


async def jobs(core: Core, admission: Admission, call: wire.Jobs) -> dict[str, Any]:
    """A page of the tenant's jobs."""
    principal = await admission
    limit = round(
        max(1, min(MAX_JOBS_PAGE, call.limit or JOBS_PAGE))
    )  # clamped first: "inf" and "nan" are numbers as well
    wanted = wire.choice(call.status)
    states = frozenset(state for state, name in WIRE_STATUS.items() if name == wanted)
    page = await job_service.list_jobs(core, principal, limit=limit, cursor=call.cursor or "", states=states)
    answer: dict[str, Any] = {"jobs": [listed(job) for job in page.jobs], "cursor": page.cursor}
    return answer | ({"warnings": ["status"]} if wanted and not states else {})


async def usages(core: Core, admission: Admission, _call: wire.Usage) -> dict[str, Any]:
    """Counts, limits and what remains."""
    answer: dict[str, Any] = msgspec.to_builtins(await usage.usage(core, await admission))
    return answer


class Action(NamedTuple):
    """How one action is answered."""

    handler: Handler
    scope: str = ""
    """What the key must be good for; empty: any key will do."""


ACTIONS: dict[type, Action] = {
    wire.Models: Action(models),
    wire.Generate: Action(generate, GENERATE),
    wire.Status: Action(status, READ),
    wire.Optimize: Action(optimize, GENERATE),
    wire.Random: Action(random),
    wire.Cancel: Action(cancel, GENERATE),
    wire.Jobs: Action(jobs, READ),
    wire.Usage: Action(usages, READ),
}
"""Request → how it is answered. A new action is a Struct in action_wire.py, a handler and a line here."""


def id_of(call: wire.Status | wire.Cancel) -> str:
    """The job id that was sent; empty where it is no text."""
    sent = wire.choice(call.id)
    return sent if isinstance(sent, str) else ""


def told(core: Core, outcome: Outcome) -> dict[str, Any]:
    """What a client is told of an ended job, with addresses signed now."""
    expires_s = core.settings.objects.url_expires_s

    def signed(key: str, filename: str = "") -> str:
        return core.objects.url(key, expires_s=expires_s, filename=filename)

    if outcome.meta is not None:
        images = [
            {"url": signed(image.key, image.filename), "filename": image.filename, "type": image.type}
            for image in outcome.images
        ]
        return {"meta": structs.asdict(outcome.meta) | {"images": images}}
    if outcome.blocked is not None:
        blocked = outcome.blocked
        answer: dict[str, Any] = {
            "compliance": "unsafe",
            "error": f"Content blocked — flagged for: {', '.join(blocked.names)}",
            "filter_categories": blocked.categories,
        }
        if blocked.unsafe_key and not blocked.floor:
            answer["unsafe_url"] = base64.b64encode(signed(blocked.unsafe_key).encode()).decode()
        return answer
    return {"error": outcome.error}


def listed(job: Job) -> dict[str, Any]:
    """One line of `jobs`."""
    return {
        "id": job.id,
        "gen_id": job.gen_id,
        "status": WIRE_STATUS[job.state],
        "compliance": {State.COMPLETED: "safe", State.BLOCKED: "unsafe"}.get(job.state, ""),
        "prompt": job.recipe.words.prompt,
        "model": job.recipe.model,
        "format": job.recipe.output.format,
        "time": utc_text(job.created_at),
        "ended": utc_text(job.ended_at) if job.ended_at else None,
    }
