"""Invitations, reset links and sign-up."""

import asyncio

import pytest
from msgspec import structs

from imgen.domain.errors import Invalid, RateLimited, TooManyTenants
from imgen.domain.user import MEMBER, OWNER
from imgen.records import audit, memberships, tenants, users
from imgen.services.accounts import invitations, members, one_time_links, people, sessions, sign_up

PASSWORD = "a password of my own"
IP = "192.0.2.1"
GONE = "used, revoked or has expired"


def token_of(url):
    return url.partition("#")[2]


async def sign_in(core, name, password=PASSWORD):
    return await sessions.signed_in(core, await sessions.sign_in(core, name, password, remote_ip=IP, agent="test"))


def north(core):
    return core.database.attempt(tenants.ensure_tenant, "north", "unlimited")


async def join_as_new(core, token, name, password=PASSWORD):
    await invitations.accept_as_new(core, token, name=name, password=password, remote_ip=IP)


def test_an_invitation_makes_one_account_however_many_post_it(core, admin):
    """Of ten at once one person is made; the token is in neither database nor audit."""

    async def work(opened):
        tenant = north(opened)
        url = await invitations.invite(opened, admin, tenant.id, OWNER)
        assert url.startswith(f"{opened.settings.public_url}/invitation#")
        invited = await one_time_links.look_at_invitation(opened, token_of(url), remote_ip=IP)
        assert (invited.tenant_name, invited.role, invited.made_by) == ("north", OWNER, "")
        told = await asyncio.gather(
            *(join_as_new(opened, token_of(url), f"person {n}") for n in range(10)), return_exceptions=True
        )
        refused = [one for one in told if one is not None]
        assert len(refused) == 9
        assert all(isinstance(one, Invalid) and GONE in str(one) for one in refused), refused
        made = opened.database.attempt(users.all_users)
        assert [(one.role, one.owned_ids) for one in made] == [(MEMBER, {tenant.id})]
        assert (await sign_in(opened, made[0].name)).id == made[0].id
        rows = await opened.database.reading(audit.page, limit=9)
        assert [one.action for one in rows] == ["signed in", "joined tenant", "invited"]
        kept = b"".join(path.read_bytes() for path in opened.settings.data_dir.rglob("imgen.db*"))
        assert token_of(url).encode() not in kept

    core(work)


def test_a_refused_invitation_stays_open(core, admin):
    """A short password, a taken name and a membership that is there already use nothing up."""

    async def work(opened):
        tenant = north(opened)
        token = token_of(await invitations.invite(opened, admin, tenant.id, MEMBER))
        await people.add(opened, admin, name="ada", role="member", tenant_ids=[tenant.id])
        ada = opened.database.attempt(users.find_user, "ada")
        for name, password in (("bob", "short"), ("ada", PASSWORD), (" ", PASSWORD), ("b\x07b", PASSWORD)):
            with pytest.raises(Invalid):
                await join_as_new(opened, token, name, password)
        with pytest.raises(Invalid, match="already"):
            await invitations.accept(opened, ada, token, remote_ip=IP)
        await join_as_new(opened, token, "bob")
        upgrade = token_of(await invitations.invite(opened, admin, tenant.id, OWNER))
        assert (await invitations.accept(opened, ada, upgrade, remote_ip=IP)).name == "north"
        assert opened.database.attempt(memberships.role_of, ada.id, tenant.id) == OWNER

    core(work)


def test_invitations_keep_to_seats_and_to_the_tenants_of_a_person(core, admin):
    """The plan's seats are not exceeded, nor the tenants that a person may own; the link stays open for another."""

    async def work(opened):
        small = opened.database.attempt(tenants.ensure_tenant, "small", "starter")
        first, second = [token_of(await invitations.invite(opened, admin, small.id, OWNER)) for _ in range(2)]
        await join_as_new(opened, first, "ada")
        with pytest.raises(Invalid, match="seats"):
            await join_as_new(opened, second, "bob")
        assert opened.database.attempt(users.find_user, "bob") is None
        ada = await sign_in(opened, "ada")
        for n in range(2):
            await members.make_tenant(opened, ada, f"more {n}")
        fourth = token_of(await invitations.invite(opened, admin, north(opened).id, OWNER))
        with pytest.raises(TooManyTenants):
            await invitations.accept(opened, ada, fourth, remote_ip=IP)
        await join_as_new(opened, fourth, "carl")

    core(work)


def test_a_revoked_or_expired_invitation_is_refused_like_an_unknown_one(core, admin):
    """A list shows the open ones, by which one is revoked."""

    async def work(opened):
        tenant = north(opened)
        token = token_of(await invitations.invite(opened, admin, tenant.id, MEMBER))
        (shown,) = await invitations.open_invitations(opened, tenant.id)
        await invitations.revoke(opened, admin, tenant.id, shown.id)
        assert await invitations.open_invitations(opened, tenant.id) == []
        expired = token_of(await invitations.invite(opened, admin, tenant.id, MEMBER))
        clock = opened.clock
        opened.clock = lambda: clock() + 8 * 86_400
        for wrong in (token, expired, "unknown", "", "\ud800"):
            with pytest.raises(Invalid, match=GONE):
                await join_as_new(opened, wrong, "eve")

    core(work)


def test_guesses_of_tokens_are_counted_by_network(core, admin):
    """After so many even a right one has to wait there; elsewhere it works, and successes are not counted."""

    async def work(opened):
        token = token_of(await invitations.invite(opened, admin, north(opened).id, MEMBER))
        for _ in range(one_time_links.TRIES_BY_IP + 5):
            await one_time_links.look_at_invitation(opened, token, remote_ip=IP)
        for _ in range(one_time_links.TRIES_BY_IP):
            with pytest.raises(Invalid):
                await one_time_links.look_at_reset(opened, token, remote_ip=IP)
        with pytest.raises(RateLimited) as caught:
            await one_time_links.look_at_invitation(opened, token, remote_ip=IP)
        assert caught.value.retry_after_s > 0
        await one_time_links.look_at_invitation(opened, token, remote_ip="198.51.100.7")

    core(work)


def test_a_reset_link_sets_a_password_once_and_ends_all_sessions(core, admin):
    """A newer link ends the older one, as does a password that is set by other means or the removal of the user."""

    async def work(opened):
        first = await people.add(opened, admin, name="ada", role="member", tenant_ids=())
        token = await sessions.sign_in(opened, "ada", first, remote_ip=IP, agent="test")
        older, newer = [token_of(await one_time_links.make_reset(opened, admin, "ada")) for _ in range(2)]
        assert await one_time_links.look_at_reset(opened, newer, remote_ip=IP) == "ada"

        async def reset(link, new=PASSWORD):
            return await one_time_links.reset_password(opened, link, new, remote_ip=IP)

        for wrong in (reset(older), reset(newer, "short")):
            with pytest.raises(Invalid):
                await wrong
        told = await asyncio.gather(reset(newer), reset(newer), return_exceptions=True)
        assert sorted(map(str, told)) == ["This link was used, revoked or has expired; ask for another one", "ada"]
        assert await sessions.signed_in(opened, token) is None
        assert (await sign_in(opened, "ada")).must_change_password is False
        stale = token_of(await one_time_links.make_reset(opened, admin, "ada"))
        await people.new_first_password(opened, admin, "ada")
        with pytest.raises(Invalid):
            await reset(stale)
        last = token_of(await one_time_links.make_reset(opened, admin, "ada"))
        await people.remove(opened, admin, "ada")
        with pytest.raises(Invalid):
            await reset(last)
        with pytest.raises(Invalid):
            await one_time_links.make_reset(opened, admin, "ada")

    core(work)


def test_a_sign_up_makes_a_person_with_a_tenant(core):
    """On the plan of the setting, in the name of the person, with a suffix where the name is taken by a tenant."""

    async def work(opened):
        assert sign_up.is_open(opened)
        north(opened)
        for name in ("ada", "north"):
            await sign_up.sign_up(opened, name=name, password=PASSWORD, remote_ip=IP)
        ada, other = await sign_in(opened, "ada"), await sign_in(opened, "north")
        (own,) = opened.database.attempt(memberships.tenants_of, ada.id)
        assert (own.tenant.name, own.tenant.plan, own.role) == ("ada", "trial", OWNER)
        (own,) = opened.database.attempt(memberships.tenants_of, other.id)
        assert own.tenant.name.startswith("north (")
        with pytest.raises(Invalid):
            await sign_up.sign_up(opened, name="ada", password=PASSWORD, remote_ip=IP)

    core(work, '[accounts]\nsign_up = "open"\nsign_up_plan = "trial"\n')


def test_sign_ups_are_limited_by_network_and_in_all(core, monkeypatch):
    """Hosts of one IPv6 network share a limit."""

    async def work(opened):
        assert not sign_up.is_open(opened)
        for n in range(sign_up.BY_IP):
            await sign_up.sign_up(opened, name=f"p{n}", password=PASSWORD, remote_ip=f"2001:db8::{n}")
        with pytest.raises(RateLimited):
            await sign_up.sign_up(opened, name="late", password=PASSWORD, remote_ip="2001:db8::ffff")
        await sign_up.sign_up(opened, name="elsewhere", password=PASSWORD, remote_ip=IP)
        monkeypatch.setattr(sign_up, "IN_ALL", 6)
        with pytest.raises(RateLimited):
            await sign_up.sign_up(opened, name="last", password=PASSWORD, remote_ip="198.51.100.7")

    core(work)


def test_an_inviters_name_is_shown(core, admin):
    """The invited read who asks them."""

    async def work(opened):
        tenant = north(opened)
        await join_as_new(opened, token_of(await invitations.invite(opened, admin, tenant.id, OWNER)), "ada")
        ada = structs.replace(await sign_in(opened, "ada"), remote_ip=IP)
        token = token_of(await invitations.invite(opened, ada, tenant.id, MEMBER))
        assert (await one_time_links.look_at_invitation(opened, token, remote_ip=IP)).made_by == "ada"

    core(work)
