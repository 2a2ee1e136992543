"""Facts of jobs that never change after their submission, in the memory of one API process: a poll needs no row for them."""

from collections import OrderedDict
from typing import TYPE_CHECKING

from msgspec import Struct

from imgen.domain.job import Job
from imgen.domain.principal import Principal
from imgen.records import jobs

if TYPE_CHECKING:
    from imgen.services.core import Core

CAPACITY = 4_000
"""Jobs to remember."""
MOST_CHARS = 16_000_000
"""Characters of the prompts of all of them, of four bytes at most: one alone may have 32,000."""


class JobFacts(Struct, frozen=True, kw_only=True):
    """Facts of one job."""

    tenant_id: str
    original_prompt: str
    """As it was sent."""
    final_prompt: str
    """As the engine gets it."""
    optimized: bool
    notes: tuple[str, ...]
    """Of the recipe."""
    tier: str
    """Quality tier that was asked for; empty: none."""
    model: str
    """Name by which it was pinned, else its key."""
    seed: int
    created_at: float
    credits: int
    """Credits that it costs."""
    request_id: str
    """Id of the request that made it; empty: of another surface, which does not tell it."""


class JobFactsCache:
    """Facts of the jobs that were asked for last."""

    def __init__(self, capacity: int = CAPACITY, *, most_chars: int = MOST_CHARS) -> None:
        self._capacity = capacity
        self._most_chars = most_chars
        self._facts: OrderedDict[str, JobFacts] = OrderedDict()
        self._chars = 0

    def get(self, job_id: str) -> JobFacts | None:
        """Returns the facts of a job; None: they are not known."""
        facts = self._facts.get(job_id)
        if facts is not None:
            self._facts.move_to_end(job_id)
        return facts

    def put(self, job_id: str, facts: JobFacts) -> None:
        """Remembers the facts of a job, and forgets those that were asked for longest ago where there are too many."""
        if job_id in self._facts:
            self._chars -= _chars_of(self._facts.pop(job_id))
        self._facts[job_id] = facts
        self._chars += _chars_of(facts)
        while len(self._facts) > self._capacity or self._chars > self._most_chars:
            self._chars -= _chars_of(self._facts.popitem(last=False)[1])


def _chars_of(facts: JobFacts) -> int:
    return len(facts.original_prompt) + len(facts.final_prompt)


def facts_of(job: Job) -> JobFacts:
    """Returns the facts of a job."""
    recipe, parts = job.recipe, job.recipe.prompt_parts
    return JobFacts(
        tenant_id=job.tenant_id,
        original_prompt=recipe.plain_prompt or parts.original_prompt,
        final_prompt=recipe.diffusion.positive,
        optimized=parts.optimized,
        notes=recipe.notes,
        tier=recipe.tier or "",
        model=recipe.pinned or recipe.model,
        seed=recipe.diffusion.seed,
        created_at=job.created_at,
        credits=recipe.credits,
        request_id=job.request_id,
    )


async def read(core: "Core", principal: Principal, job_id: str) -> JobFacts:
    """Returns the facts of a job of the principal's tenant, from memory or from its row.

    Raises:
        JobNotFound: the tenant has no such job.
    """
    known = core.job_facts.get(job_id)
    if known is not None and known.tenant_id == principal.tenant.id:
        return known
    facts = facts_of(await core.database.reading(jobs.find, job_id, tenant_id=principal.tenant.id))
    core.job_facts.put(job_id, facts)
    return facts
