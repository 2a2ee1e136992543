"""Entitlements of a tenant: what its plan gives in the present month or day, and its packs, each with what is used of it."""

import calendar
import time

from msgspec import Struct
from sqlalchemy import Connection

from imgen.domain.account import Plan, Tenant
from imgen.records import jobs, ledger, packs
from imgen.records.packs import GrantedPack
from imgen.services.core import Core

PICTURES, CREDITS = "standard", "credits"
"""Types of entitlements: pictures, and the second, independent limit."""
PLAN = "plan"
DAY_S = 86_400


class Entitlement(Struct, frozen=True, kw_only=True):
    """Amount that a tenant may use up."""

    type: str
    limit: int | None
    """None: there is none."""
    used: int
    """Charged, and held by open jobs."""
    starts_at: float
    ends_at: float | None
    """None: it never expires."""
    source: str
    """`plan`, or the name of a pack."""

    @property
    def remaining(self) -> int | None:
        """Amount that may still be used; None: no limit."""
        return None if self.limit is None else max(0, self.limit - self.used)


class TenantUse(Struct, frozen=True, kw_only=True):
    """Use that a tenant made of the service."""

    tenant: Tenant
    jobs: int
    """Jobs that are stored."""
    entitlements: tuple[Entitlement, ...]


async def tenant_use(core: Core, tenant: Tenant) -> TenantUse:
    """Returns the entitlements of a tenant, those of its plan first, and the number of its jobs."""
    return await core.database.reading(_read, tenant, core.plan_of(tenant.plan), core.clock())


def _read(connection: Connection, tenant: Tenant, plan: Plan, now: float) -> TenantUse:
    day, month = ledger.periods(now)
    counts = ledger.counts(connection, (tenant.id,), now=now)
    this_month, today = (counts.get((tenant.id, period), ledger.Count()) for period in (month, day))
    return TenantUse(
        tenant=tenant,
        jobs=jobs.count_of_tenant(connection, tenant.id),
        entitlements=(
            _of_plan(PICTURES, plan.pictures_per_month, this_month.pictures + this_month.held, _month(now)),
            *_if_limited(CREDITS, plan.credits_per_month, this_month.plan_credits, _month(now)),
            *_if_limited(PICTURES, plan.pictures_per_day, today.pictures + today.held, _day(now)),
            *_if_limited(CREDITS, plan.credits_per_day, today.plan_credits, _day(now)),
            *map(_of_pack, packs.of_tenant(connection, tenant.id)),
        ),
    )


def _if_limited(kind: str, limit: int, used: int, period: tuple[float, float]) -> tuple[Entitlement, ...]:
    return (_of_plan(kind, limit, used, period),) if limit else ()


def _of_plan(kind: str, limit: int, used: int, period: tuple[float, float]) -> Entitlement:
    starts_at, ends_at = period
    return Entitlement(type=kind, limit=limit or None, used=used, starts_at=starts_at, ends_at=ends_at, source=PLAN)


def _of_pack(pack: GrantedPack) -> Entitlement:
    return Entitlement(
        type=CREDITS,
        limit=pack.credits,
        used=pack.held + pack.used,
        starts_at=pack.granted_at,
        ends_at=None,
        source=pack.name,
    )


def _month(now: float) -> tuple[float, float]:
    utc = time.gmtime(now)
    year, following = divmod(utc.tm_year * 12 + utc.tm_mon, 12)
    starts_at, ends_at = (utc.tm_year, utc.tm_mon, 1, 0, 0, 0), (year, following + 1, 1, 0, 0, 0)
    return float(calendar.timegm(starts_at)), float(calendar.timegm(ends_at))


def _day(now: float) -> tuple[float, float]:
    starts_at = now // DAY_S * DAY_S
    return starts_at, starts_at + DAY_S
