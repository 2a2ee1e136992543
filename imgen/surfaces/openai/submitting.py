"""Jobs of a request: new ones, those of the request that it repeats as a retry, or those of its idempotency key."""

from collections.abc import Sequence

from starlette.types import Scope

from imgen.asgi.answer_headers import answer_context, note_replay
from imgen.asgi.endpoint import header
from imgen.domain.errors import InvalidField, JobNotFound
from imgen.domain.idempotency import Once
from imgen.domain.job import Job
from imgen.domain.principal import Principal
from imgen.records.idempotency import Made
from imgen.services import awaited_answers
from imgen.services.awaited_answers import Wait
from imgen.services.core import Core
from imgen.services.submit import Submitted, find_submitted, replay, submit
from imgen.surfaces.openai.asked import Asked
from imgen.surfaces.openai.order import in_words_of_the_wire, make_order, note_warnings
from imgen.surfaces.openai.pictures import check_references

NAME = "openai"
"""Name that plans and jobs have for the surface."""
RETRY_COUNT = b"x-stainless-retry-count"
"""Header of OpenAI's clients: 0, and with each retry of the same request one more."""


async def jobs_of(
    core: Core, principal: Principal, asked: Asked, wait: Wait, *, scope: Scope, key: str
) -> Sequence[Job]:
    """Returns the jobs of a request.

    Args:
        core: the core.
        principal: acts for the tenant.
        asked: the request.
        wait: of it.
        scope: its head.
        key: its idempotency key; empty: it has none.

    Raises:
        ImgenError: there is none.
    """
    submitted = await _joined(core, principal, wait) if is_retry(scope) and not key else None
    if submitted is None:
        submitted = await _submitted(core, principal, asked, wait, scope=scope, key=key)
    note_warnings(submitted.warnings)
    return submitted.jobs


def is_retry(scope: Scope) -> bool:
    """Returns whether a client says that it sends a request again."""
    count = header(scope, RETRY_COUNT)
    return count.isascii() and count.isdecimal() and bool(count.strip("0"))


async def _joined(core: Core, principal: Principal, wait: Wait) -> Submitted | None:
    """Returns the jobs of the request that this one repeats; None: there is none, or a job of it was deleted."""
    made = await awaited_answers.join(core, wait)
    try:
        return None if made is None else await replay(core, principal, made)
    except JobNotFound:
        return None


async def _submitted(
    core: Core, principal: Principal, asked: Asked, wait: Wait, *, scope: Scope, key: str
) -> Submitted:
    once = Once(route=asked.route, key=key, fingerprint=asked.fingerprint) if key else None
    submitted = await find_submitted(core, principal, once)
    if submitted is None:
        order = await make_order(core, principal, asked)
        await check_references(core, principal, asked.pictures)
        request_id = answer_context(scope).request_id
        try:
            submitted = await submit(
                core, principal, order, surface=NAME, once=once, request_id=request_id, note=wait.note
            )
        except InvalidField as exc:
            raise in_words_of_the_wire(exc) from exc
    if submitted.is_replayed:
        note_replay()
        ids = tuple(job.id for job in submitted.jobs)
        await awaited_answers.join_known(core, wait, Made(ids=ids))
    return submitted
