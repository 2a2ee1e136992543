"""Memberships in SQL, and the upgrade that brought their roles."""

import pytest
from alembic import command
from sqlalchemy import text

from imgen.domain.errors import Invalid, TooManyTenants
from imgen.domain.principal import new_raw_key
from imgen.domain.user import MEMBER, OWNER
from imgen.records import api_keys, memberships, schema, tenants, users
from imgen.records.database import Database

BEFORE = "0016"


@pytest.fixture
def ada(database):
    """A person without a tenant."""
    return person(database, "ada")


def person(database, name):
    with database.write() as connection:
        return users.add(connection, name=name, role=MEMBER, password_hash="x", must_change_password=False)


def joined(database, user, name, role=OWNER):
    with database.write() as connection:
        tenant = tenants.ensure_tenant(connection, name, "free")
        memberships.join(connection, user.id, tenant.id, role)
    return tenant


def found(database, name):
    with database.read() as connection:
        return users.find_user(connection, name)


def test_a_role_is_changed_by_joining_again(database, ada):
    """A user has one role in a tenant; the user's value says which tenants are owned."""
    tenant = joined(database, ada, "north", MEMBER)
    assert (found(database, "ada").tenant_ids, found(database, "ada").owned_ids) == ({tenant.id}, frozenset())
    joined(database, ada, "north", OWNER)
    assert found(database, "ada").owned_ids == {tenant.id}
    assert found(database, "ada").may_manage(tenant.id)


def test_the_default_tenant_is_the_oldest(database, ada):
    """By the time it was made, not by name or by when the user joined; none without a membership."""
    with database.read() as connection:
        assert memberships.default_tenant(connection, ada) is None
    with database.write() as connection:
        tenants.ensure_tenant(connection, "zeta", "free")
    joined(database, ada, "alpha")
    joined(database, ada, "zeta", MEMBER)
    with database.read() as connection:
        assert memberships.default_tenant(connection, ada).name == "zeta"
        assert [(own.tenant.name, own.role) for own in memberships.tenants_of(connection, ada.id)] == [
            ("zeta", MEMBER),
            ("alpha", OWNER),
        ]


def test_the_last_owner_stays_unless_the_operator_says_so(database, ada):
    """Members do not count; a second owner makes room."""
    tenant = joined(database, ada, "north")
    bob = person(database, "bob")
    joined(database, bob, "north", MEMBER)
    for role in ("", MEMBER):
        with pytest.raises(Invalid, match="one owner"), database.write() as connection:
            memberships.step_down(connection, ada.id, tenant.id, role)
    joined(database, bob, "north", OWNER)
    with database.write() as connection:
        memberships.step_down(connection, ada.id, tenant.id, MEMBER)
        assert [(one.name, one.role) for one in memberships.members_of(connection, tenant.id)] == [
            ("bob", OWNER),
            ("ada", MEMBER),
        ]
        memberships.step_down(connection, bob.id, tenant.id, last_may=True)
        assert [one.name for one in memberships.members_of(connection, tenant.id)] == ["ada"]


def test_a_person_owns_so_many_tenants(database, ada):
    """Memberships do not count."""
    joined(database, ada, "one")
    joined(database, ada, "two", MEMBER)
    with database.write() as connection:
        memberships.check_may_own(connection, ada.id, limit=2)
        with pytest.raises(TooManyTenants, match="1 tenant, not more"):
            memberships.check_may_own(connection, ada.id, limit=1)


def test_names_of_keys_are_unique_within_a_tenant_alone(database):
    """Another tenant has a key of the same name; by name alone it is ambiguous, with the tenant or the prefix it is not."""
    made = {}
    with database.write() as connection:
        for name in ("north", "south"):
            tenant = tenants.ensure_tenant(connection, name, "free")
            made[name] = api_keys.add_key(connection, new_raw_key(), tenant=tenant, name="shop")
            with pytest.raises(Invalid, match=f"already in the tenant '{name}'"):
                api_keys.add_key(connection, new_raw_key(), tenant=tenant, name="shop")
        for find in (api_keys.find_key, api_keys.find_key_exactly):
            with pytest.raises(Invalid, match="--tenant: north, south"):
                find(connection, "shop")
            assert find(connection, "shop", tenant_id=made["south"].tenant_id).id == made["south"].id
            assert find(connection, made["north"].prefix).id == made["north"].id


def test_members_of_before_are_owners_and_keys_keep_their_names(tmp_path):
    """Up: nobody loses what they could do. Down: keys of one name are told apart again."""
    opened = Database(f"sqlite:///{tmp_path / 'imgen.db'}")
    schema.upgrade(opened, BEFORE)
    with opened.write() as connection:
        connection.execute(
            text("INSERT INTO tenants VALUES ('ten_1', 'north', 'free', 0), ('ten_2', 'south', 'free', 0)")
        )
        connection.execute(text("INSERT INTO users VALUES ('usr_1', 'ada', 'member', 'x', 0, 0)"))
        connection.execute(text("INSERT INTO memberships VALUES ('usr_1', 'ten_1')"))
    schema.upgrade(opened)
    with opened.write() as connection:
        assert users.find_user(connection, "ada").owned_ids == {"ten_1"}
        for tenant_id in ("ten_1", "ten_2"):
            tenant = tenants.find_tenant_by_id(connection, tenant_id)
            api_keys.add_key(connection, new_raw_key(), tenant=tenant, name="shop")
        command.downgrade(schema._config(connection), BEFORE)
        names = connection.scalars(text("SELECT name FROM api_keys ORDER BY length(name)")).all()
        assert names[0] == "shop"
        assert names[1].startswith("shop (key_")
    schema.upgrade(opened)
    opened.close()
