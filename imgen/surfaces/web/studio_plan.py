"""Plan of a tenant in Studio's form: whether it includes Studio, the sizes that it includes, and what is left of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from imgen.domain import errors
from imgen.domain.account import Plan
from imgen.domain.principal import Principal
from imgen.domain.studio import EXPORTS, LONG_SIDES
from imgen.services.accounts.usage import usage
from imgen.services.core import Core

SURFACE = "studio"
LABELS = {"base": "As drawn", "2k": "2K", "4k": "4K"}
"""Export → its name on the page."""
AIMS = {"base": "as drawn", "2k": "2K", "4k": "4K"}


class SizeOffer(NamedTuple):
    """Size of an export."""

    key: str
    label: str
    detail: str
    says: str
    """Words for it as the aim of a button."""
    needs: str
    """Name of a plan that includes it; empty: the tenant's own does."""


async def plan_values(core: Core, principal: Principal, chosen: str) -> dict[str, Any]:
    """Returns the values of the template for the plan of a principal's tenant.

    Args:
        core: the core.
        principal: acts for the tenant.
        chosen: export that is chosen in the form.
    """
    plan = core.plan_of(principal.tenant.plan)
    offers = sizes(core, plan)
    open_to = [one.key for one in offers if not one.needs]
    return {
        "plan_label": plan.label,
        "needed_plan": needed_plan(core, plan),
        "sizes": offers,
        "chosen_size": chosen if chosen in open_to else EXPORTS[0],
        "left": await _left(core, principal),
    }


def needed_plan(core: Core, plan: Plan) -> str:
    """Returns the name of a plan that includes Studio; empty: this one does."""
    return "" if _includes(plan) else _first(core, _includes)


def sizes(core: Core, plan: Plan) -> list[SizeOffer]:
    """Returns all exports, those beyond a plan with one that includes them."""

    def needs(long_side: int) -> str:
        if _has_size(plan, long_side):
            return ""
        return _first(core, lambda one: _includes(one) and _has_size(one, long_side))

    details = {key: f"{side:,} px" if side else "usual size" for key, side in LONG_SIDES.items()}
    return [SizeOffer(key, LABELS[key], details[key], AIMS[key], needs(side)) for key, side in LONG_SIDES.items()]


def _includes(plan: Plan) -> bool:
    try:
        plan.require_surface(SURFACE)
    except errors.SurfaceNotInPlan:
        return False
    return True


def _has_size(plan: Plan, long_side: int) -> bool:
    try:
        plan.require_export(long_side)
    except errors.ExportNotInPlan:
        return False
    return True


def _first(core: Core, fits: Callable[[Plan], bool]) -> str:
    """Returns the name of the first configured plan that fits."""
    return next((plan.label for plan in core.configured.plans.values() if fits(plan)), "another plan")


async def _left(core: Core, principal: Principal) -> str:
    """Returns what is left of the plan and the packs, in words."""
    now = await usage(core, principal)
    parts = [
        f"{left:,} of {limit:,} {what}"
        for limit, left, what in (
            (now.limits.pictures_per_day, now.remaining.pictures_per_day, "pictures left today"),
            (now.limits.pictures_per_month, now.remaining.pictures_per_month, "pictures left this month"),
            (now.limits.credits_per_day, now.remaining.credits_per_day, "credits left today"),
            (now.limits.credits_per_month, now.remaining.credits_per_month, "credits left this month"),
        )
        if limit is not None and left is not None
    ]
    if packs := sum(pack.left for pack in now.packs):
        parts.append(f"{packs:,} credits in packs")
    return ", ".join(parts) or "no limit on pictures"
