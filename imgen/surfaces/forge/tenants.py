"""Tenants: made with their first key by a signed-in person, listed, the key replaced; and the use of a tenant's plan."""

from collections.abc import Awaitable, Callable

from sqlalchemy import Connection

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain.account import Tenant
from imgen.domain.errors import Invalid, InvalidField, KeyShownBefore, TenantNotFound, Unauthorized
from imgen.domain.idempotency import Once, json_fingerprint
from imgen.domain.principal import READ
from imgen.domain.user import User
from imgen.records import idempotency, memberships
from imgen.records.idempotency import Claim, Made
from imgen.services.accounts import entitlements, tenant_access, tenant_keys
from imgen.services.accounts.entitlements import Entitlement
from imgen.services.accounts.tenant_keys import NoteMade, TenantWithKey
from imgen.services.idempotency import run_once
from imgen.surfaces.call import Call
from imgen.surfaces.forge.answers import ForgeEntitlement, ForgeNewTenant, ForgeTenant, ForgeTenants, ForgeTenantUsage
from imgen.surfaces.forge.wire import ForgeTenantRequest
from imgen.surfaces.strict import decode
from imgen.surfaces.times import utc_text_ms

PATH = "/v2/tenants"
CREATED = 201


async def create(call: Call) -> Answer:
    """Makes a tenant, and shows its key once."""
    user, body = await call.user(), await call.body()
    wanted = decode(body, ForgeTenantRequest) if body.strip() else ForgeTenantRequest()
    name = (wanted.name or "").strip()
    if not name.isprintable():
        raise InvalidField("name", "name has characters that cannot be shown")

    async def make(note: NoteMade | None) -> TenantWithKey:
        try:
            return await tenant_keys.make(call.core, user, name, surface=call.surface, note_made=note)
        except Invalid as exc:
            raise InvalidField("name", str(exc)) from exc

    return json_answer(_new_tenant(await _once(call, user, PATH, body, make)), CREATED)


async def rotate(call: Call) -> Answer:
    """Replaces the key that a tenant was made with, and shows the new one once."""
    user, tenant_id = await call.user(), _named(call)
    made = await _once(
        call,
        user,
        f"{PATH}/{tenant_id}/rotate",
        await call.body(),
        lambda note: tenant_keys.replace(call.core, user, tenant_id, surface=call.surface, note_made=note),
    )
    return json_answer(_new_tenant(made))


async def list_own(call: Call) -> Answer:
    """Lists the tenants of the signed-in person, oldest first."""
    user = await call.user()
    own = await call.core.database.reading(memberships.tenants_of, user.id)
    return json_answer(
        ForgeTenants(
            tenants=tuple(
                ForgeTenant(tenant_id=one.tenant.id, name=one.tenant.name, tier=one.tenant.plan, role=one.role)
                for one in own
            )
        )
    )


async def usage(call: Call) -> Answer:
    """Returns the use of a tenant's plan, for its people and its keys."""
    used = await entitlements.tenant_use(call.core, await _tenant(call))
    return json_answer(
        ForgeTenantUsage(
            tenant_id=used.tenant.id,
            tier=used.tenant.plan,
            total_jobs=used.jobs,
            entitlements=tuple(map(_entitlement, used.entitlements)),
        )
    )


async def _tenant(call: Call) -> Tenant:
    """Returns the tenant of the path.

    Raises:
        TenantNotFound: there is none of that id, or the caller does not belong to it.
    """
    if not call.has_key and (user := await call.person()) is not None:
        tenant, _ = await call.core.database.reading(tenant_access.seen, user, _named(call))
        return tenant
    principal = await call.principal(needs=READ)
    if call.is_anonymous:
        raise Unauthorized
    if principal.tenant.id != call.path("tenant_id"):
        raise TenantNotFound
    return principal.tenant


def _named(call: Call) -> str:
    """Returns the id of the path.

    Raises:
        TenantNotFound: it has characters that no id has; SQL cannot be asked for a NUL.
    """
    tenant_id = call.path("tenant_id")
    if not tenant_id.isprintable():
        raise TenantNotFound
    return tenant_id


async def _once(
    call: Call, user: User, route: str, body: bytes, make: Callable[[NoteMade | None], Awaitable[TenantWithKey]]
) -> TenantWithKey:
    """Carries a request out; a repetition under its idempotency key is refused, since a raw key is not stored.

    Raises:
        KeyShownBefore: it was carried out before.
    """
    key = call.idempotency_key()
    if not key:
        return await make(None)

    def with_claim(claim: Claim) -> Awaitable[TenantWithKey]:
        def note(connection: Connection, tenant: Tenant) -> None:
            idempotency.finish(connection, claim, Made(ids=(tenant.id,)))

        return make(note)

    once = Once(route=route, key=key, fingerprint=json_fingerprint(body))
    return await run_once(call.core, user.id, once, make=with_claim, replay=_refuse_replay, takes_long=False)


async def _refuse_replay(_made: Made) -> TenantWithKey:
    raise KeyShownBefore


def _new_tenant(made: TenantWithKey) -> ForgeNewTenant:
    return ForgeNewTenant(
        tenant_id=made.tenant.id,
        api_key=made.raw,
        api_key_prefix=made.key.prefix,
        scopes=made.key.scopes,
        tier=made.tenant.plan,
        name=made.tenant.name,
    )


def _entitlement(given: Entitlement) -> ForgeEntitlement:
    return ForgeEntitlement(
        type=given.type,
        quota_limit=given.limit,
        quota_used=given.used,
        remaining=given.remaining,
        period_start=utc_text_ms(given.starts_at),
        period_end=None if given.ends_at is None else utc_text_ms(given.ends_at),
        source=given.source,
    )
