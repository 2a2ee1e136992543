"""Tenant of the playground's form: one is hidden, some are a list, of many the name is typed."""

from typing import Any

from starlette.types import Scope

from imgen.domain import errors
from imgen.domain.credential import SessionCredential
from imgen.domain.user import User
from imgen.records import tenants
from imgen.services.core import Core
from imgen.surfaces.acting import acting, named_in_head

MOST_LISTED = 20


async def choice(core: Core, user: User, tenant_id: str) -> dict[str, Any]:
    """Returns the values of the field's template: the tenants, all of them if they are few, and the value of `tenant_id`."""
    shown, following = await core.database.reading(tenants.page, scope=user.scope, limit=MOST_LISTED)
    if following is None:
        return {"tenants": shown, "is_typed": False, "tenant_value": tenant_id}
    chosen = await core.database.reading(tenants.find_tenant_by_id, tenant_id) or shown[0]
    return {"tenants": shown, "is_typed": True, "tenant_value": chosen.name}


async def acting_for(core: Core, scope: Scope, user: User, value: object) -> SessionCredential:
    """Returns the credential for the tenant that the head names, else for that of the form.

    Args:
        core: the core.
        scope: the request.
        user: of its session.
        value: the form's value, an id or a typed name; None: it has none.

    Raises:
        Invalid: none is typed.
    """
    if value is None or named_in_head(scope):
        return acting(scope, user)
    typed = str(value).strip()
    if not typed:
        raise errors.Invalid("Choose a tenant")
    tenant = await core.database.reading(tenants.find_in_scope, typed, scope=user.scope)
    return acting(scope, user, named=tenant.id if tenant else typed)
