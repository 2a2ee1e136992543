"""Keys that people make, switch, rotate and revoke, each heard of by admission with the next request."""

from dataclasses import replace

import pytest
from msgspec import structs

from imgen.domain.credential import KeyCredential
from imgen.domain.errors import Forbidden, Invalid, InvalidKey, KeyDisabled, OutOfScope, RateLimited
from imgen.domain.principal import DAY_S, hash_key
from imgen.domain.user import User
from imgen.records import audit
from imgen.services.accounts import api_keys as key_service
from imgen.services.accounts.authentication import authenticate


async def create(core, user, name="shop", **fields):
    given = {"tenant": "studio", "scopes": ("generate", "read"), "days": None} | fields
    return await key_service.create(core, user, name=name, **given)


def test_a_key_works_until_it_is_switched_off_or_revoked(core, admin):
    """From the next request on, and the audit has a row for each change."""

    async def work(opened):
        key, raw = await create(opened, admin)
        assert (await authenticate(opened, KeyCredential(hash_key(raw)))).counted_as == key.id
        await key_service.switch(opened, admin, key.id, enabled=False)
        with pytest.raises(KeyDisabled):
            await authenticate(opened, KeyCredential(hash_key(raw)))
        await key_service.switch(opened, admin, key.id, enabled=True)
        assert (await authenticate(opened, KeyCredential(hash_key(raw)))).tenant.name == "studio"
        await key_service.revoke(opened, admin, key.id)
        with pytest.raises(InvalidKey):
            await authenticate(opened, KeyCredential(hash_key(raw)))
        rows = await opened.database.reading(audit.page, limit=10)
        assert [one.action for one in reversed(rows)] == [
            "made tenant",
            "made key",
            "switched key",
            "switched key",
            "revoked key",
        ]

    core(work)


def test_a_rotated_key_has_a_grace(core, admin):
    """Both forms work until the grace is over, then the new one alone."""

    async def work(opened):
        key, old = await create(opened, admin)
        _, new = await key_service.rotate(opened, admin, key.id, grace_days=1)
        assert {(await authenticate(opened, KeyCredential(hash_key(raw)))).tenant.name for raw in (old, new)} == {
            "studio"
        }
        now = opened.clock()
        opened.clock = lambda: now + DAY_S + 1
        with pytest.raises(KeyDisabled):
            await authenticate(opened, KeyCredential(hash_key(old)))
        await authenticate(opened, KeyCredential(hash_key(new)))
        with pytest.raises(Invalid):
            await key_service.rotate(opened, admin, key.id, grace_days=31)

    core(work)


def test_an_owner_keeps_to_own_tenants(core, admin):
    """Others' keys can be neither made nor changed; names are used once; a life is a number of days that makes sense."""

    async def work(opened):
        mine, _ = await create(opened, admin, "mine")
        other, _ = await create(opened, admin, "other", tenant="rival")
        own = frozenset({mine.tenant_id})
        member = User(id="usr_1", name="mira", role="member", must_change_password=False, tenant_ids=own, owned_ids=own)
        made, _ = await create(opened, member, "hers")
        assert made.tenant_id == mine.tenant_id
        for tenant in ("rival", "new"):
            with pytest.raises(Forbidden):
                await create(opened, member, "sly", tenant=tenant)
        for change in (
            key_service.switch(opened, member, other.id, enabled=False),
            key_service.rotate(opened, member, other.id, grace_days=0),
            key_service.revoke(opened, member, other.id),
        ):
            with pytest.raises(Forbidden):
                await change
        for wrong in ({"name": "mine"}, {"days": 0}, {"scopes": ()}, {"scopes": ("everything",)}):
            with pytest.raises(Invalid):
                await create(opened, member, **({"name": "again"} | wrong))

    core(work)


def test_a_key_does_what_its_scope_and_plan_allow(core, admin):
    """Out of scope is refused; over the plan's rate with the time to wait."""

    async def work(opened):
        _, raw = await create(opened, admin, scopes=("read",))
        (await authenticate(opened, KeyCredential(hash_key(raw)))).require("read")
        with pytest.raises(OutOfScope):
            (await authenticate(opened, KeyCredential(hash_key(raw)))).require("generate")
        plans = opened.configured.plans
        slow = {key: structs.replace(plan, requests_per_minute=3) for key, plan in plans.items()}
        opened.configured = replace(opened.configured, plans=slow)
        await authenticate(opened, KeyCredential(hash_key(raw)))
        with pytest.raises(RateLimited) as caught:
            await authenticate(opened, KeyCredential(hash_key(raw)))
        assert caught.value.retry_after_s >= 1

    core(work)


def test_operators_keys_are_made_and_changed_by_administrators_alone(core, admin):
    """An owner of their tenant neither makes one nor rotates it, which would hand over all tenants."""

    async def work(opened):
        key, _ = await create(opened, admin, "payments", scopes=("operate",))
        own = frozenset({key.tenant_id})
        owner = User(id="usr_1", name="mira", role="member", must_change_password=False, tenant_ids=own, owned_ids=own)
        with pytest.raises(Forbidden):
            await create(opened, owner, "sly", scopes=("read", "operate"))
        for change in (
            key_service.switch(opened, owner, key.id, enabled=True),
            key_service.rotate(opened, owner, key.id, grace_days=0),
            key_service.end_old_secret(opened, owner, key.id),
            key_service.revoke(opened, owner, key.id),
        ):
            with pytest.raises(Forbidden):
                await change
        assert (await create(opened, admin, "plain"))[0].scopes == ("generate", "read")

    core(work)
