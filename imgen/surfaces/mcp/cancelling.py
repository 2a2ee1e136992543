"""Cancelling of calls: by a notification to any process in the protocol versions with sessions, else by the stream's end."""

import asyncio
import contextlib

import structlog

from imgen.domain.errors import ImgenError, Unavailable
from imgen.domain.principal import GENERATE
from imgen.live import mcp_calls
from imgen.services import jobs as job_service
from imgen.surfaces.mcp.call import McpCall
from imgen.surfaces.tier_orders import TierSubmitted

log = structlog.get_logger(__name__)


async def cancel_named(call: McpCall) -> None:
    """Cancels the job of the request that a notification names, if it is one of the same session and caller."""
    request_id, principal = call.envelope.cancelled_id, call.principal
    if request_id is None or not call.session or GENERATE not in principal.scopes:
        return
    name = mcp_calls.call_name(principal.counted_as, call.session, request_id)
    with contextlib.suppress(Unavailable):
        if job_id := await call.core.live.run(mcp_calls.note_cancelled(name)):
            await cancel_job(call, job_id)


async def note_job(call: McpCall, job_id: str) -> None:
    """Notes the job of a call, so that a notification to any process cancels it; one may have come before."""
    request_id = call.envelope.request_id
    if request_id is None or not call.session:
        return
    name = mcp_calls.call_name(call.principal.counted_as, call.session, request_id)
    with contextlib.suppress(Unavailable):
        if await call.core.live.run(mcp_calls.note_job(name, job_id)):
            await cancel_job(call, job_id)


async def cancel_made(call: McpCall, made: asyncio.Future[TierSubmitted]) -> None:
    """Cancels the job of a call that was given up while it was made."""
    with contextlib.suppress(ImgenError):
        submitted, _ = await made
        if not submitted.is_replayed:
            await cancel_job(call, submitted.job.id)


async def cancel_job(call: McpCall, job_id: str) -> None:
    """Cancels a job that nobody waits for any more; an error is logged, since nobody is there to be told."""
    try:
        await job_service.cancel(call.core, call.principal, job_id)
    except ImgenError as exc:
        log.warning("a job that was given up is not cancelled", job=job_id, reason=str(exc))
