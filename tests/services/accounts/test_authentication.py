"""Unknown and known keys: what they cost, and what strangers can do to others."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event

from imgen.domain.credential import KeyCredential
from imgen.domain.errors import InvalidKey, KeyDisabled, RateLimited
from imgen.domain.principal import hash_key, new_raw_key
from imgen.live import request_gate
from imgen.services.accounts import api_keys as key_service
from imgen.services.accounts import strangers
from imgen.services.accounts.authentication import authenticate
from imgen.services.accounts.known_keys import is_known

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"


@contextmanager
def statements(core):
    """Statements that SQL is sent meanwhile."""
    seen = []

    def note(_connection, _cursor, statement, *_more):
        if statement.startswith("SELECT"):
            seen.append(statement)

    event.listen(core.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(core.database.engine, "before_cursor_execute", note)


async def create(core, user, name="shop"):
    return await key_service.create(core, user, name=name, tenant="studio", scopes=("generate", "read"), days=None)


async def refused(core, raw, remote_ip=HERE):
    with pytest.raises((InvalidKey, KeyDisabled, RateLimited)) as caught:
        await authenticate(core, KeyCredential(hash_key(raw)), remote_ip=remote_ip)
    return type(caught.value)


def test_a_refused_key_is_read_once(core, admin):
    """An unknown key, and a disabled one, cost a read of SQL when they come first and none when they come again."""

    async def work(opened):
        key, disabled = await create(opened, admin)
        await key_service.switch(opened, admin, key.id, enabled=False)
        for raw, expected in ((new_raw_key(), InvalidKey), (disabled, KeyDisabled)):
            await refused(opened, raw)  # the process learns the epoch
            await refused(opened, raw)
            with statements(opened) as seen:
                assert {await refused(opened, raw) for _ in range(20)} == {expected}
            assert seen == []
        await key_service.switch(opened, admin, key.id, enabled=True)
        assert (await authenticate(opened, KeyCredential(hash_key(disabled)))).counted_as == key.id

    core(work)


def test_strangers_are_throttled_by_address(core, admin):
    """Too many unknown keys of one address are 429 and read no SQL; another address and a known key notice nothing."""

    async def work(opened):
        _, known = await create(opened, admin)
        await authenticate(opened, KeyCredential(hash_key(known)), remote_ip=HERE)
        with statements(opened) as seen:
            outcomes = [await refused(opened, new_raw_key()) for _ in range(300)]
        assert outcomes[: strangers.BURST] == [InvalidKey] * strangers.BURST
        assert outcomes[-1] is RateLimited
        assert len(seen) < 150
        assert (await authenticate(opened, KeyCredential(hash_key(known)), remote_ip=HERE)).tenant.name == "studio"
        assert await refused(opened, new_raw_key(), ELSEWHERE) is InvalidKey
        with pytest.raises(RateLimited) as caught:
            await authenticate(opened, KeyCredential(hash_key(new_raw_key())), remote_ip=HERE)
        assert caught.value.retry_after_s >= 1

    core(work)


def test_a_key_just_made_works_at_once(core, admin):
    """Also from an address that is throttled, and where the process knew none of the keys a moment ago."""

    async def work(opened):
        for _ in range(strangers.BURST + strangers.LOOKUPS_BURST + 10):
            await refused(opened, new_raw_key())
        _, raw = await create(opened, admin)
        assert (await authenticate(opened, KeyCredential(hash_key(raw)), remote_ip=HERE)).tenant.name == "studio"

    core(work)


def test_a_key_that_was_refused_may_become_valid(core, admin):
    """A refusal is remembered under the epoch of keys: a change of any key ends it."""

    async def work(opened):
        key, raw = await create(opened, admin)
        await key_service.switch(opened, admin, key.id, enabled=False)
        for _ in range(3):
            assert await refused(opened, raw) is KeyDisabled
        await key_service.switch(opened, admin, key.id, enabled=True)
        assert not is_known(opened, hash_key(raw))
        await authenticate(opened, KeyCredential(hash_key(raw)))
        assert is_known(opened, hash_key(raw))

    core(work)


def test_a_disabled_key_is_no_stranger(core, admin):
    """Its owner is told so each time, however often a program asks with it."""

    async def work(opened):
        key, raw = await create(opened, admin)
        await key_service.switch(opened, admin, key.id, enabled=False)
        assert {await refused(opened, raw) for _ in range(strangers.BURST * 6)} == {KeyDisabled}

    core(work)


def test_the_use_of_the_rate_is_noted(core, admin):
    """Limit, what remains and when more is allowed; the last is the time to wait of a refused request."""

    async def work(opened):
        now = 600.0
        opened.clock = lambda: now
        _, raw = await create(opened, admin)
        seen = []
        limit = opened.plan_of("standard").requests_per_minute
        await authenticate(opened, KeyCredential(hash_key(raw)), note=seen.append)
        assert (seen[0].limit, seen[0].remaining, seen[0].reset_s) == (limit, limit - 1, request_gate.WINDOW_S)

    core(work)
