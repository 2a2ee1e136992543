"""Packs of credits in SQL: granted once for a payment, taken in the order in which they were bought, given back to their source.

Rows of packs are locked in that order, after the sums of their tenant (see ledger.py).
"""

import secrets
import time
from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Connection, Integer, Select, bindparam, func, insert, select, update

from imgen.domain.account import Pack, Tenant
from imgen.domain.errors import Invalid
from imgen.records import tenants
from imgen.records.database import dialect_insert
from imgen.records.tables.ledger import HAS_CREDITS, pack_entries, packs

MAX_REFERENCE_CHARS = 200


class GrantedPack(Struct, frozen=True, kw_only=True):
    """Pack of a tenant, with what is left of it."""

    id: str
    tenant_id: str
    name: str
    credits: int
    held: int
    used: int
    reference: str
    granted_at: float

    @property
    def left(self) -> int:
        """Credits that jobs may still take."""
        return self.credits - self.held - self.used


def grant(
    connection: Connection, tenant: Tenant, pack: Pack, *, reference: str, now: float | None = None
) -> tuple[GrantedPack, bool]:
    """Gives a tenant a pack for a payment, once; returns it, and whether it is new.

    Raises:
        Invalid: the reference is empty, too long or not printable, or the payment was for another pack or tenant.
        TenantClosed: the tenant was deleted.
    """
    if not reference.strip() or len(reference) > MAX_REFERENCE_CHARS or not reference.isprintable():
        raise Invalid(f"A payment's reference has 1 to {MAX_REFERENCE_CHARS} printable characters")
    tenants.require(connection, tenant.id)
    row = {
        "id": "pck_" + secrets.token_hex(8),
        "tenant_id": tenant.id,
        "name": pack.key,
        "credits": pack.credits,
        "reference": reference,
        "granted_at": time.time() if now is None else now,
    }
    new = dialect_insert(connection, packs).values(row).on_conflict_do_nothing(index_elements=[packs.c.reference])
    connection.execute(new)
    (found,) = _granted(connection, select(packs).where(packs.c.reference == reference))
    if (found.tenant_id, found.name) != (tenant.id, pack.key):
        raise Invalid(f"The payment {reference!r} was for another pack or another tenant")
    return found, found.id == row["id"]


def of_tenant(connection: Connection, tenant_id: str, *, limit: int | None = None) -> list[GrantedPack]:
    """Lists the packs of a tenant that are not used up, in the order in which they are taken. `limit` is the most of them."""
    return _granted(connection, _open_packs(tenant_id).limit(limit))


def credits_left(connection: Connection, tenant_id: str) -> int:
    """Returns the credits that are left in a tenant's packs."""
    left = func.coalesce(func.sum(packs.c.credits - packs.c.held - packs.c.used), 0)
    return int(connection.execute(select(left).where(packs.c.tenant_id == tenant_id, HAS_CREDITS)).scalar_one())


def all_credits_left(connection: Connection, tenant_ids: Iterable[str] | None = None) -> dict[str, int]:
    """Returns tenant id → credits left in its packs, of these tenants or all; those without any are left out."""
    left = func.sum(packs.c.credits - packs.c.held - packs.c.used)
    query = select(packs.c.tenant_id, left).where(HAS_CREDITS).group_by(packs.c.tenant_id)
    if tenant_ids is not None:
        query = query.where(packs.c.tenant_id.in_(list(tenant_ids)))
    return {tenant_id: int(number) for tenant_id, number in connection.execute(query)}


def hold(connection: Connection, tenant_id: str, job_id: str, cost: int) -> bool:
    """Holds credits of a tenant's packs for a job, the oldest pack first. False: there are not so many, and none is held."""
    parts: dict[str, int] = {}
    for pack in _granted(connection, _open_packs(tenant_id).with_for_update()):
        parts[pack.id] = min(pack.left, cost - sum(parts.values()))
        if sum(parts.values()) == cost:
            break
    else:
        return False
    _write(connection, job_id, "hold", parts, held=1, used=0)
    return True


def settle(connection: Connection, job_id: str, *, charge: bool) -> None:
    """Turns what a job holds of packs into a charge, or gives it back to the same packs."""
    held = select(pack_entries.c.pack_id, pack_entries.c.credits).join(packs, packs.c.id == pack_entries.c.pack_id)
    held = held.where(pack_entries.c.job_id == job_id, pack_entries.c.kind == "hold")
    parts = {row.pack_id: row.credits for row in connection.execute(held.order_by(packs.c.granted_at, packs.c.id))}
    _write(connection, job_id, "charge" if charge else "release", parts, held=-1, used=int(charge))


def _open_packs(tenant_id: str) -> Select[tuple[object, ...]]:
    query = select(packs).where(packs.c.tenant_id == tenant_id, HAS_CREDITS)
    return query.order_by(packs.c.granted_at, packs.c.id)


def _granted(connection: Connection, query: Select[tuple[object, ...]]) -> list[GrantedPack]:
    return [GrantedPack(**dict(row)) for row in connection.execute(query).mappings()]


def _write(connection: Connection, job_id: str, kind: str, parts: dict[str, int], *, held: int, used: int) -> None:
    """Writes an entry for each part, and adds them times `held` and `used` to the packs, in their order."""
    rows = [{"of": pack_id, "part": number} for pack_id, number in parts.items()]
    part = bindparam("part", type_=Integer)
    change = update(packs).where(packs.c.id == bindparam("of"))
    connection.execute(change.values(held=packs.c.held + part * held, used=packs.c.used + part * used), rows)
    entries = [{"job_id": job_id, "kind": kind, "pack_id": row["of"], "credits": row["part"]} for row in rows]
    connection.execute(insert(pack_entries), entries)
