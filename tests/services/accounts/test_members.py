"""Tenants that people make, and their members: what owners may do, members may not, and others do not see."""

import asyncio

import pytest

from imgen.domain.credential import SessionCredential
from imgen.domain.errors import Forbidden, Invalid, TenantNotFound, TooManyTenants
from imgen.domain.user import MEMBER, OWNER
from imgen.records import audit, memberships, tenants, users
from imgen.services.accounts import api_keys, authentication, invitations, members, sessions

IP = "192.0.2.1"


def person(core, name, **roles):
    """A person with a role in each tenant named; the tenants are made if need be."""

    def write(connection):
        if users.find_user(connection, name) is None:
            users.add(connection, name=name, role=MEMBER, password_hash="x", must_change_password=False)
        user = users.find_user(connection, name)
        for tenant_name, role in roles.items():
            tenant = tenants.ensure_tenant(connection, tenant_name, "unlimited")
            memberships.join(connection, user.id, tenant.id, role)
        return users.find_user(connection, name)

    return core.database.attempt(write)


def tenant_id(core, name):
    return core.database.attempt(tenants.find_tenant, name).id


def test_a_person_owns_a_limited_number_of_tenants(core, admin):
    """By making them, by being made an owner, and with parallel requests; administrators may go beyond."""

    async def work(opened):
        ada, bob = person(opened, "ada"), person(opened, "bob", north=OWNER)
        made = await asyncio.gather(
            *(members.make_tenant(opened, ada, f"ada {n}") for n in range(5)), return_exceptions=True
        )
        assert sum(isinstance(one, TooManyTenants) for one in made) == 2
        assert [one.plan for one in made if not isinstance(one, Exception)] == ["free"] * 3
        person(opened, "ada", north=MEMBER)
        north = tenant_id(opened, "north")
        with pytest.raises(TooManyTenants):
            await members.set_role(opened, bob, north, ada.id, OWNER)
        await members.set_role(opened, admin, north, ada.id, OWNER)
        for wrong in ("north", " ", "x" * 201):
            with pytest.raises(Invalid):
                await members.make_tenant(opened, bob, wrong)

    core(work)


def test_a_member_may_not_do_an_owners_things(core):
    """Members get Forbidden; a tenant of others looks like one that does not exist."""

    async def work(opened):
        ada, bob = person(opened, "ada", north=OWNER), person(opened, "bob", north=MEMBER)
        stranger = person(opened, "eve", south=OWNER)
        north = tenant_id(opened, "north")
        key, _ = await api_keys.create(opened, ada, name="shop", tenant="north", scopes=("read",), days=None)

        def things(by, where):
            return (
                members.rename_tenant(opened, by, where, "mine"),
                members.set_role(opened, by, where, by.id, OWNER),
                members.remove(opened, by, where, ada.id),
                invitations.invite(opened, by, where, MEMBER),
                invitations.revoke(opened, by, where, "lnk_1"),
            )

        for thing in things(bob, north):
            with pytest.raises(Forbidden):
                await thing
        for where in (north, "ten_unknown", "ten_anonymous"):
            for thing in things(stranger, where):
                with pytest.raises(TenantNotFound):
                    await thing
        for by in (bob, stranger):
            for key_id in (key.id, "key_unknown"):
                with pytest.raises(Forbidden):
                    await api_keys.revoke(opened, by, key_id)
            for name in ("north", "unknown"):
                with pytest.raises(Forbidden):
                    await api_keys.create(opened, by, name="sly", tenant=name, scopes=("read",), days=None)

    core(work)


def test_who_is_removed_loses_the_tenant_at_once(core):
    """A session of before sees it no more, invitations that were made there are dead, and a value read before changes nothing."""

    async def work(opened):
        ada, bob = person(opened, "ada", north=OWNER), person(opened, "bob", north=OWNER)
        north = tenant_id(opened, "north")
        token, now = "bob's session", opened.clock()
        opened.database.attempt(
            users.open_session, sessions.token_hash(token), bob.id, remote_ip=IP, agent="", now=now, lasts_s=60
        )
        link = await invitations.invite(opened, bob, north, MEMBER)
        acting = await authentication.session_principal(opened, SessionCredential(bob))
        assert acting.tenant.id == north
        await members.remove(opened, ada, north, bob.id)
        after = await sessions.signed_in(opened, token)
        assert (after.tenant_ids, after.owned_ids) == (frozenset(), frozenset())
        with pytest.raises(Forbidden):
            await authentication.session_principal(opened, SessionCredential(after, north))
        with pytest.raises(TenantNotFound):
            await members.rename_tenant(opened, bob, north, "mine")
        with pytest.raises(Invalid):
            await invitations.accept(opened, person(opened, "eve"), link.partition("#")[2], remote_ip=IP)

    core(work)


def test_a_member_may_leave_and_the_last_owner_may_not(core):
    """Each change has its row in the audit."""

    async def work(opened):
        ada, bob = person(opened, "ada", north=OWNER), person(opened, "bob", north=MEMBER)
        north = tenant_id(opened, "north")
        with pytest.raises(Invalid, match="one owner"):
            await members.remove(opened, ada, north, ada.id)
        await members.set_role(opened, ada, north, bob.id, OWNER)
        await members.remove(opened, ada, north, ada.id)
        await members.rename_tenant(opened, bob, north, "south")
        for wrong in (ada.id, "usr_unknown"):
            with pytest.raises(Invalid):
                await members.set_role(opened, bob, north, wrong, OWNER)
        told = [one.action for one in await opened.database.reading(audit.page, limit=9)]
        assert told == ["renamed tenant", "left tenant", "changed member's role"]

    core(work)


def test_a_session_acts_for_the_tenant_that_it_names_or_the_oldest(core):
    """One that the user does not belong to, and an unknown one, are refused alike."""

    async def work(opened):
        person(opened, "eve", south=OWNER)
        ada = person(opened, "ada", north=OWNER, west=MEMBER)
        named = await authentication.session_principal(opened, SessionCredential(ada, tenant_id(opened, "west")))
        assert named.tenant.name == "west"
        assert (await authentication.session_principal(opened, SessionCredential(ada))).tenant.name == "north"
        for wrong in (tenant_id(opened, "south"), "ten_unknown"):
            with pytest.raises(Forbidden):
                await authentication.session_principal(opened, SessionCredential(ada, wrong))
        with pytest.raises(Forbidden):
            await authentication.session_principal(opened, SessionCredential(person(opened, "nemo")))

    core(work)
