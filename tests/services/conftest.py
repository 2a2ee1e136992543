"""Callers of the services: principals with keys, and people."""

from collections.abc import Callable

import pytest

from imgen.domain.account import Principal, new_raw_key
from imgen.domain.people import Person
from imgen.records import accounts
from imgen.services.core import Core


@pytest.fixture
def caller() -> Callable[..., Principal]:
    """Makes a key of a tenant, both of them new, and gives who acts by it."""

    def make(core: Core, name: str = "studio", plan: str = "unlimited") -> Principal:
        def write(connection) -> Principal:
            tenant = accounts.ensure_tenant(connection, name, plan)
            key = accounts.add_key(connection, new_raw_key(), tenant=tenant, name=name)
            return Principal(key=key, tenant=tenant)

        return core.database.attempt(write)

    return make


@pytest.fixture
def admin() -> Person:
    """An administrator, who sees every tenant."""
    return Person(id="usr_admin", name="admin", role="admin", must_change_password=False)
