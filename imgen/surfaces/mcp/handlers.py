"""Handlers of the tools."""

import asyncio
from typing import Any

import msgspec

from imgen.domain.errors import Retryable
from imgen.domain.idempotency import Once, json_fingerprint
from imgen.domain.ids import stored_id, uuid_form
from imgen.services import jobs as job_service
from imgen.surfaces.idempotency_key import idempotency_key
from imgen.surfaces.mcp import cancelling
from imgen.surfaces.mcp.answers import ToolAnswer, job_answer, listed
from imgen.surfaces.mcp.call import NAME, PATH, McpCall
from imgen.surfaces.mcp.waiting import TellProgress, wait_for_end
from imgen.surfaces.mcp.wire import CheckArguments, JobArguments, NoArguments
from imgen.surfaces.tier_offers import tiers_and_models
from imgen.surfaces.tier_orders import TierSubmitted, submit_tier
from imgen.surfaces.tier_request import TierRequest


async def generate_image(call: McpCall, sent: TierRequest, tell: TellProgress | None) -> ToolAnswer:
    """Makes a picture; answers the job as one that goes on if it outlasts the wait."""
    made: asyncio.Task[TierSubmitted] = call.spawn(
        submit_tier(call.core, call.principal, sent, surface=NAME, host=call.host, once=_once(call, sent))
    )
    try:
        submitted, notes = await asyncio.shield(made)
        job_id = submitted.job.id
        await cancelling.note_job(call, job_id)
        await wait_for_end(call, job_id, wait_s=call.core.settings.mcp.wait_s, tell=tell)
    except asyncio.CancelledError:
        if call.is_given_up:
            call.spawn(cancelling.cancel_made(call, made))
        raise
    try:
        return await job_answer(call, job_id, notes=notes)
    except Retryable:
        text = f"Job {uuid_form(job_id)} was made, but its state cannot be read now. Try check_job in a few seconds."
        return ToolAnswer(text=text, is_error=True)


async def list_models(call: McpCall, _sent: NoArguments, _tell: TellProgress | None) -> ToolAnswer:
    """Lists tiers and models."""
    return listed(await tiers_and_models(call.core))


async def check_job(call: McpCall, sent: CheckArguments, tell: TellProgress | None) -> ToolAnswer:
    """Tells the state of a job, after a wait if one is asked for."""
    job_id = stored_id(sent.job_id)
    answer = await job_answer(call, job_id)
    wait_s = min(sent.wait_s or 0, call.core.settings.mcp.wait_s)
    if not wait_s or answer.has_ended:
        return answer
    await wait_for_end(call, job_id, wait_s=wait_s, tell=tell)
    return await job_answer(call, job_id)


async def cancel_job(call: McpCall, sent: JobArguments, _tell: TellProgress | None) -> ToolAnswer:
    """Cancels a job; one that has ended stays as it is."""
    job_id = stored_id(sent.job_id)
    await job_service.cancel(call.core, call.principal, job_id)
    answer = await job_answer(call, job_id)
    return msgspec.structs.replace(answer, is_error=False)


def _once(call: McpCall, sent: Any) -> Once | None:
    key = idempotency_key(call.scope)
    return Once(route=PATH, key=key, fingerprint=json_fingerprint(msgspec.json.encode(sent))) if key else None
