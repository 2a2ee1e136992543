"""Quota objects of Studio's answers, read anew for each of them."""

from collections.abc import Sequence

from imgen.domain.principal import Principal
from imgen.services.accounts.allowance import allowance
from imgen.services.core import Core
from imgen.surfaces.studio.answers import StudioQuota


async def quota_of(
    core: Core, principal: Principal, job_ids: Sequence[str], *, cost: int, charged: bool
) -> StudioQuota:
    """Makes the quota object of the jobs of a request.

    Args:
        core: the core.
        principal: acts for their tenant.
        job_ids: of the jobs.
        cost: credits of one of them.
        charged: whether it was charged.

    Raises:
        Retryable: the database does not answer.
    """
    left = await allowance(core, principal, job_ids, cost=cost)
    return StudioQuota(
        source="pack" if left.is_of_pack else "plan",
        scope="team",
        remaining=left.pictures,
        charged=charged,
        remaining_after_queue=left.pictures,
        charged_on_success=True,
    )
