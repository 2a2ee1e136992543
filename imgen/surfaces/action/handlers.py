"""Handlers of the actions: each calls the services and returns a Struct. No logic of their own."""

import math
from collections.abc import Awaitable

from msgspec import UNSET, Struct, structs

from imgen.asgi.answer_headers import note_replay, note_warning
from imgen.domain.catalog import clamp
from imgen.domain.idempotency import Once
from imgen.domain.principal import Principal
from imgen.services import jobs as job_service
from imgen.services import prompts, submit, uploads
from imgen.services.accounts import usage
from imgen.services.core import Core
from imgen.services.engine_troubles import engine_troubles
from imgen.services.orders import repaired_order
from imgen.services.recognition import pictures
from imgen.services.recognition.recognize import recognize
from imgen.surfaces.action import answers, translation, wire
from imgen.surfaces.action.choices import choice, flag, job_id_of, number, request_of, source_of, text, upload_of
from imgen.surfaces.action.wire import JOBS_PAGE, MAX_JOBS_PAGE

SURFACE = "action"

PendingPrincipal = Awaitable[Principal]
"""Principal of the caller; the handler awaits it, so that a poll reads its job in the same round trip."""


async def models(core: Core, caller: PendingPrincipal, _call: wire.Models) -> answers.ModelsAnswer:
    """Lists characters, models and styles."""
    await caller
    return translation.models_answer(core.catalog, await engine_troubles(core))


async def generate(
    core: Core, caller: PendingPrincipal, call: Struct, once: Once | None = None
) -> answers.GenerateAnswer:
    """Makes a job for each picture."""
    principal = await caller
    order = repaired_order(core, principal, request_of(call))
    submitted = await submit.submit(core, principal, order, surface=SURFACE, once=once)
    if submitted.is_replayed:
        note_replay()
    for queue in dict.fromkeys(job.queue for job in submitted.jobs):
        if not await core.is_served(queue):
            _warn_unserved(queue)
    return translation.generate_answer(submitted)


async def upload(
    core: Core, caller: PendingPrincipal, call: wire.Upload, once: Once | None = None
) -> answers.UploadAnswer:
    """Keeps a picture for later requests."""
    return told_upload(await uploads.upload(core, await caller, upload_of(call), once=once))


def told_upload(uploaded: uploads.Uploaded) -> answers.UploadAnswer:
    """Makes the answer for a kept picture, and notes a repetition."""
    if uploaded.is_replayed:
        note_replay()
    return translation.upload_answer(uploaded.upload)


async def status(core: Core, caller: PendingPrincipal, call: wire.Status) -> answers.StatusAnswer:
    """Returns the state of a job."""
    job_id = job_id_of(call)
    cached = job_service.get_view(core, job_id)
    status = await job_service.job_status(core, await caller, job_id, cached)
    if status.unserved_queue:
        _warn_unserved(status.unserved_queue)
    return translation.status_answer(core, job_id, status)


async def optimize(core: Core, caller: PendingPrincipal, call: wire.Optimize) -> answers.PromptAnswer:
    """Improves a prompt."""
    principal = await caller
    model, style = choice(call.model), choice(call.style)
    optimized = await prompts.optimize(
        core, principal, text("prompt", call.prompt), model=model, style=style, surface=SURFACE
    )
    return answers.PromptAnswer(prompt=optimized.prompt, warnings=optimized.warnings or UNSET)


async def random(core: Core, caller: PendingPrincipal, call: wire.Random) -> answers.PromptAnswer:
    """Makes a prompt from the word lists."""
    await caller
    made = prompts.randomize(core, choice(call.character))
    return answers.PromptAnswer(prompt=made.prompt, warnings=made.warnings or UNSET)


async def cancel(core: Core, caller: PendingPrincipal, call: wire.Cancel) -> answers.CancelAnswer:
    """Cancels a job."""
    job = await job_service.cancel(core, await caller, job_id_of(call))
    return answers.CancelAnswer(status=translation.WIRE_STATUS[job.state])


async def verify(
    core: Core, caller: PendingPrincipal, call: wire.Verify
) -> answers.KnownPictureAnswer | answers.UnknownPictureAnswer:
    """Tells whose picture this is."""
    principal = await caller
    read, is_deep = await pictures.reader(core, principal, source_of(call)), bool(flag("deep", call.deep))
    scope = frozenset({principal.tenant.id})
    return translation.verify_answer(await recognize(core, read, scope=scope, is_deep=is_deep))


async def jobs(core: Core, caller: PendingPrincipal, call: wire.Jobs) -> answers.JobsAnswer:
    """Lists a page of the tenant's jobs."""
    principal = await caller
    sent = number("limit", call.limit)
    limit = JOBS_PAGE if sent is None or math.isnan(sent) else round(clamp(sent, 1, MAX_JOBS_PAGE))
    wanted = choice(call.status)
    states = frozenset(state for state, name in translation.WIRE_STATUS.items() if name == wanted)
    page = await job_service.list_jobs(
        core, principal, limit=limit, cursor=text("cursor", call.cursor) or "", states=states
    )
    repaired = {"limit": sent is not None and sent != limit, "status": bool(wanted) and not states}
    return answers.JobsAnswer(
        jobs=[translation.listed_job(job) for job in page.jobs],
        cursor=page.cursor,
        warnings=tuple(name for name, is_repaired in repaired.items() if is_repaired) or UNSET,
    )


async def usages(core: Core, caller: PendingPrincipal, _call: wire.Usage) -> answers.UsageAnswer:
    """Returns counts of requests and pictures, and the plan's limits."""
    return answers.UsageAnswer(**structs.asdict(await usage.usage(core, await caller)))


def _warn_unserved(queue: str) -> None:
    """Tells in a header that the job waits for a worker that is not there: the answer's body is the contract's."""
    note_warning(f"no worker serves the queue {queue}")
