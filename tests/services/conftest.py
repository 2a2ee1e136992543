"""Callers of the services: principals with keys, and people."""

from collections.abc import Callable

import pytest

from imgen.domain.principal import Principal, TenantKey, key_principal, new_raw_key
from imgen.domain.user import User
from imgen.records import api_keys, tenants
from imgen.services.core import Core


@pytest.fixture
def caller() -> Callable[..., Principal]:
    """Makes a key of a tenant, both of them new, and gives who acts by it."""

    def make(core: Core, name: str = "studio", plan: str = "unlimited") -> Principal:
        def write(connection) -> Principal:
            tenant = tenants.ensure_tenant(connection, name, plan)
            key = api_keys.add_key(connection, new_raw_key(), tenant=tenant, name=name)
            return key_principal(TenantKey(key=key, tenant=tenant))

        return core.database.attempt(write)

    return make


@pytest.fixture
def admin() -> User:
    """An administrator, who sees every tenant."""
    return User(id="usr_admin", name="admin", role="admin", must_change_password=False)
