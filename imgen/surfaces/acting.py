"""Acting of a session's user for a tenant: the one in `X-Imgen-Tenant`, else the one that a form or an address names."""

from starlette.types import Scope

from imgen.asgi.endpoint import header
from imgen.domain.credential import SessionCredential
from imgen.domain.user import User

TENANT = "X-Imgen-Tenant"


def acting(scope: Scope, user: User, *, named: str = "") -> SessionCredential:
    """Returns the credential of a request of a session; without any tenant's id it is for the user's only or oldest one."""
    return SessionCredential(user, named_in_head(scope) or named.strip())


def named_in_head(scope: Scope) -> str:
    """Returns the id of the tenant that the head of a request names; empty: it names none."""
    return header(scope, TENANT.lower().encode()).strip()
