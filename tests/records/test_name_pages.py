"""Pages of tenants, keys and users by name."""

import pytest

from imgen.records import api_keys, job_makers, tenants, users

NAMES = ("alpha", "Beta", "beta two", "betamax", "BETA", "gamma", "100%", "éclair")


@pytest.fixture
def made(database):
    """Tenants of these names, each with a key of the same name. Returns name → tenant."""
    with database.write() as connection:
        found = {name: tenants.ensure_tenant(connection, name, "free") for name in NAMES}
        for name, tenant in found.items():
            api_keys.add_key(connection, f"imgen_{len(name):064}{name}", tenant=tenant, name=name)
    return found


def all_pages(page, **wanted):
    """Returns the names of each page, from the first to the last."""
    pages, after = [], None
    while True:
        shown, after = page(after=after, limit=3, **wanted)
        pages.append(shown)
        if after is None:
            return pages


def test_tenants_follow_each_other_by_name(database, made):
    """Each is on one page, whatever its case; the last page has no successor."""
    with database.read() as connection:
        pages = all_pages(lambda **more: tenants.page(connection, scope=None, **more))
    names = [one.name for page in pages for one in page]
    assert sorted(names) == sorted(NAMES)
    assert [name.lower() for name in names] == sorted(name.lower() for name in NAMES)
    assert [len(page) for page in pages] == [3, 3, 2]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("bet", {"Beta", "beta two", "betamax", "BETA"}),
        ("BETAM", {"betamax"}),
        ("100%", {"100%"}),
        ("%", set()),
        ("éc", {"éclair"}),
    ],
)
def test_a_search_is_by_the_beginning(database, made, prefix, expected):
    """Case is ignored, and a wildcard of SQL is a character like others."""
    with database.read() as connection:
        assert {one.name for one in tenants.page(connection, scope=None, prefix=prefix, limit=9)[0]} == expected
        assert {one.key.name for one in api_keys.page(connection, scope=None, prefix=prefix, limit=9)[0]} == expected
        assert set(job_makers.beginning(connection, prefix, scope=None, limit=9)) == expected


def test_a_member_finds_own_tenants_alone(database, made):
    """Neither others' tenants nor others' keys, on any page."""
    scope = frozenset({made["Beta"].id, made["gamma"].id, made["alpha"].id, made["BETA"].id})
    with database.read() as connection:
        found = all_pages(lambda **more: tenants.page(connection, scope=scope, **more))
        assert sorted(one.name for page in found for one in page) == ["BETA", "Beta", "alpha", "gamma"]
        found = all_pages(lambda **more: api_keys.page(connection, scope=scope, **more))
        assert sorted(one.key.name for page in found for one in page) == ["BETA", "Beta", "alpha", "gamma"]
        assert tenants.page(connection, scope=frozenset(), limit=9) == ([], None)
        assert tenants.find_in_scope(connection, "betamax", scope=scope) is None
        assert tenants.find_in_scope(connection, "gamma", scope=scope) == made["gamma"]
        assert tenants.find_in_scope(connection, made["gamma"].id, scope=scope) == made["gamma"]


def test_a_deleted_key_is_on_no_page(database, made):
    """Its name is found no more; jobs that it made are found by the name it has since."""
    with database.write() as connection:
        key = api_keys.find_key(connection, "gamma")
        api_keys.delete_key(connection, key)
        assert api_keys.page(connection, scope=None, prefix="gamma", limit=9) == ([], None)
        assert job_makers.named(connection, job_makers.names(connection, [key.id])[key.id]) == {key.id}
        assert api_keys.has_keys(connection)


def test_people_are_suggested_to_those_who_share_a_tenant(database, made):
    """After the keys that begin alike; a member of another tenant is not told."""
    with database.write() as connection:
        user = users.add(connection, name="gammy", role="member", password_hash="", must_change_password=False)
        users.set_memberships(connection, user.id, [made["gamma"].id])
        wanted = {"limit": 9}
        assert job_makers.beginning(connection, "gamm", scope=None, **wanted) == ["gamma", "gammy (playground)"]
        assert job_makers.beginning(connection, "gamm", scope=frozenset({made["alpha"].id}), **wanted) == []


def test_users_are_pages_by_name(database):
    """Each with own memberships; the next page goes on where one ended."""
    with database.write() as connection:
        tenant = tenants.ensure_tenant(connection, "of many", "free")
        made = [
            users.add(connection, name=name, role="member", password_hash="", must_change_password=False)
            for name in ("Zoe", "abel", "Ben", "bea")
        ]
        users.set_memberships(connection, made[2].id, [tenant.id])
        found = all_pages(lambda **more: users.page(connection, **more))
        assert [one.name for page in found for one in page] == ["abel", "bea", "Ben", "Zoe"]
        assert [one.name for one in users.page(connection, prefix="BE", limit=9)[0]] == ["bea", "Ben"]
        assert users.page(connection, prefix="ben", limit=9)[0][0].tenant_ids == {tenant.id}
        assert users.page(connection, prefix="none", limit=9) == ([], None)
