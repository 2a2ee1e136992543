"""Endpoints and secrets of tenants."""

import time

import pytest
from factories import add_tenant
from records.webhook_rows import TENANT, register

from imgen.domain.errors import Invalid
from imgen.records import webhooks


def test_a_rotated_secret_signs_beside_its_successor(database):
    """For a day; then the new one signs alone. An endpoint's secret is its own."""
    with database.write() as connection:
        made, other = register(connection), register(connection, url="https://hooks.example.com/b")
        new = webhooks.rotate_endpoint(connection, made.id)
        rotated = webhooks.find_endpoint(connection, made.id)
    assert rotated.secrets.valid(time.time()) == (new, made.secrets.current)
    assert rotated.secrets.valid(time.time() + 2 * 86400) == (new,)
    assert len({new, made.secrets.current, other.secrets.current}) == 3
    assert other.secrets.valid(time.time()) == (other.secrets.current,)


def test_a_tenants_own_secret_is_shown_once(database):
    """It is made at first use; a later showing needs a new one, which signs beside it for a day."""
    with database.write() as connection:
        add_tenant(connection, TENANT)
        used = webhooks.tenant_secrets(connection, TENANT).current
        assert webhooks.show_tenant_secret(connection, TENANT, new=False) == used
        with pytest.raises(Invalid, match="shown already"):
            webhooks.show_tenant_secret(connection, TENANT, new=False)
        new = webhooks.show_tenant_secret(connection, TENANT, new=True)
        assert webhooks.tenant_secrets(connection, TENANT).valid(time.time()) == (new, used)


def test_no_text_of_an_endpoint_has_its_secret(database):
    """Neither its repr nor that of its secrets: logs and errors print them."""
    with database.write() as connection:
        made = register(connection)
    words = made.secrets.current.get_secret_value()
    assert words.startswith("whsec_")
    assert words not in f"{made!r} {made} {made.secrets!r}"


def test_a_tenant_has_each_address_once_and_twenty_at_most(database):
    """Each is a row with every end of a job."""
    with database.write() as connection:
        for number in range(20):
            register(connection, url=f"https://hooks.example.com/{number}")
        with pytest.raises(Invalid, match="at most 20"):
            register(connection, url="https://hooks.example.com/more")
        register(connection, tenant_id="ten_2")
        with pytest.raises(Invalid, match="already"):
            register(connection, tenant_id="ten_2")
