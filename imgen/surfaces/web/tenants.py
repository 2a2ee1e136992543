"""Tenants: a list by name with this month's use, and the page of one: limits, credits, packs, keys, members, latest pictures."""

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlencode

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.account import Plan, Tenant
from imgen.domain.user import User
from imgen.records import api_keys, job_search, ledger, memberships, packs, tenants
from imgen.services.accounts import plans
from imgen.services.accounts.usage import plan_uses
from imgen.services.links import thumbnail_url
from imgen.surfaces.web.name_cursors import format_place, parse_place
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Shell

PAGE = 50
LATEST = 12
KEYS = 20


class Use(Struct, frozen=True, kw_only=True):
    """Bar of the page: use of one limit."""

    label: str
    used: int
    limit: int
    """0: none."""


class Tenants:
    """Section of tenants: administrators see all, members their own."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/tenants", "Tenants", group="Accounts"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/tenants", signed_in(self.all_tenants), methods=["GET"]),
            Route("/panel/tenants/{tenant}", signed_in(self.one), methods=["GET"]),
            Route("/panel/tenants/{tenant}/plan", signed_in(self.change_plan, admin=True), methods=["POST"]),
        ]

    async def all_tenants(self, request: Request, user: User) -> Response:
        """Lists tenants by name, with their plan and its use this month."""
        core, given = self._shell.core, request.query_params
        words, after = given.get("words", "").strip()[:200], parse_place(given.get("after", ""))
        shown, following = await core.database.reading(
            tenants.page, scope=user.scope, prefix=words, after=after, limit=PAGE
        )
        return self._shell.page(
            request,
            "tenants.html",
            uses=await plan_uses(core, shown),
            words=words,
            following=urlencode({"words": words, "after": format_place(following)}) if following else "",
        )

    async def one(self, request: Request, user: User) -> Response:
        """Shows one tenant."""
        core, now = self._shell.core, self._shell.core.clock()
        tenant = await self._find(request, user)
        scope = frozenset({tenant.id})
        counts = await core.database.reading(ledger.counts, [tenant.id], now=now)
        keys, more_keys = await core.database.reading(api_keys.page, scope=scope, limit=KEYS)
        page = await core.database.reading(job_search.search, job_search.JobFilter(scope=scope), limit=LATEST)
        return self._shell.page(
            request,
            "tenant.html",
            tenant=tenant,
            plan=core.plan_of(tenant.plan),
            plans=core.configured.plans.values(),
            uses=_uses(
                core.plan_of(tenant.plan),
                [counts.get((tenant.id, one), ledger.Count()) for one in (*ledger.periods(now), ledger.OPEN_PERIOD)],
            ),
            packs=await core.database.reading(packs.of_tenant, tenant.id),
            members=await core.database.reading(memberships.members_of, tenant.id),
            keys=keys,
            has_more_keys=more_keys is not None,
            latest=[(job, thumbnail_url(core, job.outcome)) for job in page.jobs],
        )

    async def change_plan(self, request: Request, user: User) -> Response:
        """Gives a tenant another plan."""
        form = await form_of(request)
        tenant = await self._find(request, user)
        plan = await plans.change(self._shell.core, user, tenant, str(form.get("plan", "")))
        flash = f"{tenant.name} has the plan {plan.label} from the next request on."
        return self._shell.redirect(request, f"/panel/tenants/{tenant.id}", flash)

    async def _find(self, request: Request, user: User) -> Tenant:
        tenant_id = request.path_params["tenant"]
        found = await self._shell.core.database.reading(tenants.find_tenant_by_id, tenant_id)
        if found is None or (user.scope is not None and found.id not in user.scope):
            raise HTTPException(404, "There is no such tenant.")
        return found


def _uses(plan: Plan, counts: Sequence[ledger.Count]) -> list[Use]:
    """Returns the bars of a tenant from its counts of the day, the month and the open jobs. Open jobs count as used."""
    day, month, now_open = counts
    return [
        Use(label="Pictures today", used=day.pictures + day.held, limit=plan.pictures_per_day),
        Use(label="Pictures this month", used=month.pictures + month.held, limit=plan.pictures_per_month),
        Use(label="Credits of the plan today", used=day.plan_credits, limit=plan.credits_per_day),
        Use(label="Credits of the plan this month", used=month.plan_credits, limit=plan.credits_per_month),
        Use(label="Open jobs", used=now_open.held, limit=plan.open_jobs),
    ]
