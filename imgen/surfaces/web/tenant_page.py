"""Page of one tenant: plan, use, credits, usage by day, members, keys, webhooks, latest pictures, with forms for changes.

It has two paths: the panel's, and one below the account of those who belong to the tenant.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from imgen.domain.account import ANONYMOUS_TENANT_ID, Pack, Plan
from imgen.domain.user import OWNER, TENANT_ROLES, User
from imgen.records import api_keys, job_search, ledger, memberships, packs, webhooks
from imgen.records.ledger import Count
from imgen.services.accounts import invitations, tenant_access
from imgen.services.links import thumbnail_url
from imgen.surfaces.web import charts
from imgen.surfaces.web.shell import Shell

PREFIXES = ("/panel/tenants", "/account/tenants")
DAYS = 30
LATEST = 12
KEYS = 20
PACKS = 50
MEMBERS = 100
"""Members on the page; a search by the beginning of a name finds others."""


class Use(Struct, frozen=True, kw_only=True):
    """Bar of the page: use of one limit."""

    label: str
    used: int
    limit: int
    """0: none."""


def routes_of_one(endpoints: dict[str, Callable[[Request], Awaitable[Response]]], method: str) -> list[Route]:
    """Returns the routes of paths below a tenant's, each below both of its own."""
    return [
        Route(f"{prefix}/{{tenant}}{below}", endpoint, methods=[method])
        for below, endpoint in endpoints.items()
        for prefix in PREFIXES
    ]


def path_of(request: Request) -> str:
    """Returns the path of the tenant's page that a request is at or below."""
    prefix = next(prefix for prefix in PREFIXES if request.url.path.startswith(prefix))
    return f"{prefix}/{request.path_params['tenant']}"


async def show(shell: Shell, request: Request, user: User, *, problem: str = "", link: str = "") -> Response:
    """Shows the page.

    Args:
        shell: the shell.
        request: names the tenant.
        user: the reader, to whom a tenant of others looks like one that does not exist.
        problem: reason why a form was refused.
        link: an invitation that was just made, shown this once.
    """
    core, now = shell.core, shell.core.clock()
    read = core.database.reading
    tenant, role = await read(tenant_access.visible, user, request.path_params["tenant"])
    scope, plan = frozenset({tenant.id}), core.plan_of(tenant.plan)
    manages = (role == OWNER or user.is_admin) and tenant.id != ANONYMOUS_TENANT_ID
    wanted = request.query_params.get("member", "").strip()[:200]
    counts = await read(ledger.counts, [tenant.id], now=now)
    days = [time.strftime("%Y-%m-%d", time.gmtime(now - back * 86_400)) for back in reversed(range(DAYS))]
    by_day = await read(ledger.counts_of, tenant.id, days)
    keys, more_keys = await read(api_keys.page, scope=scope, limit=KEYS)
    granted = await read(packs.of_tenant, tenant.id, limit=PACKS)
    members = await read(memberships.members_of, tenant.id, prefix=wanted, limit=MEMBERS + 1)
    latest = await read(job_search.search, job_search.JobFilter(scope=scope), limit=LATEST)
    return shell.page(
        request,
        "tenant.html",
        status=400 if problem else 200,
        base=path_of(request),
        tenant=tenant,
        plan=plan,
        plans=core.configured.plans.values(),
        uses=_uses(plan, [counts.get((tenant.id, one), Count()) for one in (*ledger.periods(now), ledger.OPEN_PERIOD)]),
        packs=[(one, _label_of(core.configured.packs, one.name)) for one in granted],
        offers=core.configured.packs.values(),
        per_day=charts.bars([by_day.get(day, Count()).pictures for day in days], days),
        by_day=[(day, by_day[day]) for day in reversed(days) if day in by_day],
        manages=manages,
        members=members[:MEMBERS],
        has_more_members=len(members) > MEMBERS,
        wanted=wanted,
        invitations=await invitations.open_invitations(core, tenant.id) if manages else (),
        roles=TENANT_ROLES,
        keys=keys,
        has_more_keys=more_keys is not None,
        endpoints=await read(webhooks.endpoints_of, [tenant.id], limit=webhooks.MAX_ENDPOINTS),
        latest=[(job, thumbnail_url(core, job.outcome)) for job in latest.jobs],
        problem=problem,
        link=link,
    )


def _uses(plan: Plan, counts: Sequence[Count]) -> list[Use]:
    """Returns the bars of a tenant from its counts of the day, the month and the open jobs. Open jobs count as used."""
    day, month, now_open = counts
    return [
        Use(label="Pictures today", used=day.pictures + day.held, limit=plan.pictures_per_day),
        Use(label="Pictures this month", used=month.pictures + month.held, limit=plan.pictures_per_month),
        Use(label="Credits of the plan today", used=day.plan_credits, limit=plan.credits_per_day),
        Use(label="Credits of the plan this month", used=month.plan_credits, limit=plan.credits_per_month),
        Use(label="Open jobs", used=now_open.held, limit=plan.open_jobs),
    ]


def _label_of(packs: Mapping[str, Pack], name: str) -> str:
    """Returns the label of a pack; one that is not offered any more has its name alone."""
    return packs[name].label if name in packs else name
