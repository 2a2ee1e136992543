"""People who sign in, choose passwords and are added and removed."""

import pytest
from msgspec import structs

from imgen.domain.errors import Forbidden, Invalid, RateLimited
from imgen.domain.principal import user_principal
from imgen.records import tenants, users
from imgen.services.accounts import devices, people, seats, sessions


async def sign_in(core, name, password, remote_ip="192.0.2.1", **more):
    return await sessions.sign_in(core, name, password, remote_ip=remote_ip, agent="test", **more)


def test_a_session_lasts_until_it_is_ended(core, admin):
    """A first password opens a session that names its user; signed out, the token is nobody's."""

    async def work(opened):
        first = await people.add(opened, admin, name="mira", role="member", tenant_ids=())
        token = await sign_in(opened, "mira", first)
        user = await sessions.signed_in(opened, token)
        assert (user.name, user.must_change_password) == ("mira", True)
        await sessions.sign_out(opened, user, token)
        assert await sessions.signed_in(opened, token) is None
        assert await sessions.signed_in(opened, "") is None

    core(work)


def test_a_new_password_ends_other_sessions(core, admin):
    """The session that changes it stays; the old password, an equal one and a short one are refused."""

    async def work(opened):
        first = await people.add(opened, admin, name="mira", role="member", tenant_ids=())
        here, there = await sign_in(opened, "mira", first), await sign_in(opened, "mira", first)
        user = await sessions.signed_in(opened, here)
        for old, new in (("wrong", "a password of her own"), (first, first), (first, "short")):
            with pytest.raises(Invalid):
                await sessions.change_password(opened, user, here, old=old, new=new)
        await sessions.change_password(opened, user, here, old=first, new="a password of her own")
        assert (await sessions.signed_in(opened, here)).must_change_password is False
        assert await sessions.signed_in(opened, there) is None
        with pytest.raises(Invalid):
            await sign_in(opened, "mira", first)

    core(work)


def test_guesses_are_counted(core):
    """After ten tries of a name from one network even the right password has to wait there."""

    async def work(opened):
        for _ in range(sessions.TRIES_BY_NAME):
            with pytest.raises(Invalid):
                await sign_in(opened, "nobody", "a wrong password")
        with pytest.raises(RateLimited) as caught:
            await sign_in(opened, "nobody", "a wrong password")
        assert caught.value.retry_after_s >= 1

    core(work)


def test_nobody_is_locked_out_by_the_guesses_of_others(core, admin):
    """Guesses of a network, however many, keep the user out neither from another one nor in a browser that signed in before."""

    async def work(opened):
        first = await people.add(opened, admin, name="mira", role="member", tenant_ids=())
        known = await devices.device_cookie(opened, "mira", "")
        for n in range(sessions.TRIES_BY_IP + 5):
            with pytest.raises((Invalid, RateLimited)):
                await sign_in(opened, "mira", f"a guess {n}")
        with pytest.raises(RateLimited):
            await sign_in(opened, "mira", first)
        assert await sign_in(opened, "mira", first, remote_ip="198.51.100.9")
        assert await sign_in(opened, "mira", first, device=known)
        assert await sign_in(opened, "mira", first, remote_ip="2001:db8:0:1::1")

    core(work)


def test_a_known_browser_has_a_budget_too(core, admin):
    """A copied cookie buys ten guesses, of its own user's name alone; hosts of one IPv6 network share theirs."""

    async def work(opened):
        first = await people.add(opened, admin, name="mira", role="member", tenant_ids=())
        cookie = await devices.device_cookie(opened, "mira", "")
        for _ in range(sessions.TRIES_BY_NAME):
            with pytest.raises(Invalid):
                await sign_in(opened, "mira", "a wrong password", device=cookie)
        with pytest.raises(RateLimited):
            await sign_in(opened, "mira", first, device=cookie)
        for forged in (cookie[:-1], cookie.upper(), "x" * 97, "\ud800", cookie.partition(".")[0], f"{cookie} "):
            assert await devices.known_device(opened, "mira", forged) == ""
        assert await devices.known_device(opened, "admin", cookie) == ""
        assert await devices.device_cookie(opened, "mira", cookie) == cookie
        for n in range(sessions.TRIES_BY_NAME):
            with pytest.raises(Invalid):
                await sign_in(opened, "mira", "a wrong password", remote_ip=f"2001:db8::{n + 1:x}")
        with pytest.raises(RateLimited):
            await sign_in(opened, "mira", first, remote_ip="2001:db8::ffff")

    core(work)


def test_people_are_added_once_and_removed_by_others(core, admin):
    """A taken name, an unknown role, an unknown name and oneself are refused; who is removed is signed out."""

    async def work(opened):
        first = await people.add(opened, admin, name="mira", role="admin", tenant_ids=())
        for wrong in ({"name": "mira"}, {"role": "emperor"}):
            with pytest.raises(Invalid):
                await people.add(opened, admin, **({"name": "new", "role": "member", "tenant_ids": ()} | wrong))
        token = await sign_in(opened, "mira", first)
        mira = await sessions.signed_in(opened, token)
        with pytest.raises(Invalid):
            await people.remove(opened, mira, "mira")
        await people.add(opened, admin, name="other", role="admin", tenant_ids=())
        await people.remove(opened, admin, "mira")
        assert await sessions.signed_in(opened, token) is None
        with pytest.raises(Invalid):
            await people.remove(opened, admin, "mira")

    core(work)


def test_a_member_acts_for_own_tenants(core, caller, admin):
    """The playground's principal is counted under the user, and only for tenants the user belongs to."""

    async def work(opened):
        tenant = caller(opened).tenant
        member = structs.replace(admin, id="usr_1", role="member", tenant_ids=frozenset({tenant.id}))
        assert user_principal(member, tenant).counted_as == "usr_1"
        with pytest.raises(Forbidden):
            user_principal(structs.replace(member, tenant_ids=frozenset()), tenant)

    core(work)


def test_a_tenant_has_the_seats_of_its_plan(core, admin):
    """One member too many is not added; a smaller plan sends nobody away."""

    async def work(opened):
        shop = opened.database.attempt(tenants.ensure_tenant, "shop", "starter")
        await people.add(opened, admin, name="mira", role="member", tenant_ids=[shop.id])
        with pytest.raises(Invalid, match="starter of tenant 'shop' has 1 seats"):
            await people.add(opened, admin, name="paula", role="member", tenant_ids=[shop.id])
        await people.add(opened, admin, name="paula", role="member", tenant_ids=[])
        opened.database.attempt(tenants.set_plan, shop.id, "business")
        mira, paula = (opened.database.attempt(users.find_user, name) for name in ("mira", "paula"))
        opened.database.attempt(seats.set_memberships, paula.id, [shop.id], opened.plan_of)
        opened.database.attempt(tenants.set_plan, shop.id, "starter")
        opened.database.attempt(seats.set_memberships, mira.id, [shop.id], opened.plan_of)
        assert opened.database.attempt(users.count_members, shop.id) == 2

    core(work)
