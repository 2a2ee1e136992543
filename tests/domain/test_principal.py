"""Principals: each kind is made of its proof of identity."""

import pytest

from imgen.domain.account import Tenant
from imgen.domain.errors import Forbidden
from imgen.domain.principal import READ, SCOPES, ApiKey, Kind, TenantKey, key_principal, user_principal
from imgen.domain.user import ADMIN, MEMBER, User

TENANT = Tenant(id="ten_1", name="studio", plan="standard")


def user(role, *tenants):
    return User(id="usr_1", name="mira", role=role, must_change_password=False, tenant_ids=frozenset(tenants))


def test_a_key_acts_within_its_scopes():
    """Id, tenant and scopes are the key's."""
    key = ApiKey(
        id="key_1", tenant_id="ten_1", name="shop", prefix="imgen_0", scopes=(READ,), enabled=True, created_at=0
    )
    principal = key_principal(TenantKey(key=key, tenant=TENANT))
    assert (principal.kind, principal.counted_as, principal.tenant, principal.scopes) == (
        Kind.API_KEY,
        "key_1",
        TENANT,
        (READ,),
    )


@pytest.mark.parametrize("user", [user(ADMIN), user(MEMBER, "ten_1", "ten_2")], ids=["administrator", "member"])
def test_a_user_acts_for_a_tenant(user):
    """Counted under the user's own id, with every scope."""
    principal = user_principal(user, TENANT)
    assert (principal.kind, principal.counted_as, principal.tenant, principal.scopes) == (
        Kind.USER,
        "usr_1",
        TENANT,
        SCOPES,
    )


def test_a_member_of_another_tenant_may_not():
    """Only administrators act for tenants that are not theirs."""
    with pytest.raises(Forbidden):
        user_principal(user(MEMBER, "ten_2"), TENANT)
