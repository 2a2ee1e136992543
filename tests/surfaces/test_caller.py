"""The key of a request, checked before anything of its body; and the rate of those who poll as they are told to."""

import json
import time
import tracemalloc
from dataclasses import replace

import httpx2
import pytest
from msgspec import structs
from sqlalchemy import update
from starlette.applications import Starlette
from starlette.routing import Route

from imgen.asgi.answer_headers import AnswerHeaders
from imgen.asgi.endpoint import AUTHORIZATION, X_API_KEY, Endpoint, json_answer
from imgen.domain.account import POLL_EVERY_S
from imgen.domain.errors import ImgenError
from imgen.domain.principal import new_raw_key
from imgen.domain.user import User
from imgen.records.api_keys import all_keys
from imgen.records.tables.accounts import api_keys as key_rows
from imgen.services.accounts import api_keys as key_service
from imgen.services.accounts import rates
from imgen.surfaces import action
from imgen.surfaces.caller import SHORT_BODY_BYTES, Caller
from imgen.surfaces.surface import problem_of


@pytest.fixture
def admin():
    """An administrator, who sees every tenant."""
    return User(id="usr_admin", name="admin", role="admin", must_change_password=False)


def app_of(core):
    """The Action API behind the headers of every answer, as `create_app` puts them together."""
    return AnswerHeaders(Starlette(routes=action.routes(core)), lambda rate: rates.uncount(core, rate))


async def make_key(core, admin, tenant="studio", **fields):
    given = {"name": tenant, "tenant": tenant, "scopes": ("generate", "read"), "days": None} | fields
    return (await key_service.create(core, admin, **given))[1]


async def send(app, key, body=b"", **headers):
    """Sends a request whose body counts the bytes that were read of it; gives status, text and that count."""
    read = 0

    async def pieces():
        nonlocal read
        for start in range(0, len(body), 1 << 16):
            piece = body[start : start + (1 << 16)]
            read += len(piece)
            yield piece

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as client:
        given = {"Authorization": f"Bearer {key}"} | headers
        answer = await client.post("/api/v2", content=pieces(), headers=given)
    return answer.status_code, answer.json().get("error", ""), read, answer


def both_headers(core):
    """A surface that takes keys from either header, with a route that needs the scope `generate`."""

    async def answer(scope, _receive):
        try:
            caller = Caller(core, scope, surface="forge", key_headers=(AUTHORIZATION, X_API_KEY))
            principal = await caller.principal(scope="generate")
        except ImgenError as exc:
            return action.error(problem_of(exc))
        return json_answer({"error": principal.counted_as})

    return Starlette(routes=[Route("/api/v2", Endpoint(answer), methods=["POST"])])


def test_each_restriction_holds_through_every_header(core, admin):
    """Scope, expiry, switch and rate are the key's, not the header's; and a request of one counts for the other."""

    async def work(opened):
        now = [600.0]
        opened.clock = lambda: now[0]
        plans = {name: structs.replace(plan, requests_per_minute=5) for name, plan in opened.configured.plans.items()}
        opened.configured = replace(opened.configured, plans=plans)
        app = both_headers(opened)
        shop, off, old = [await make_key(opened, admin, name=name) for name in ("shop", "off", "old")]
        reader = await make_key(opened, admin, name="reader", scopes=("read",))
        rows = {one.key.name: one.key for one in opened.database.attempt(all_keys)}
        await key_service.switch(opened, admin, rows["off"].id, enabled=False)
        ends_at = update(key_rows).where(key_rows.c.name == "old").values(expires_at=599.0)
        opened.database.attempt(lambda connection: connection.execute(ends_at))
        told = {
            shop: (200, rows["shop"].id),
            off: (401, "API key is disabled"),
            old: (401, "API key is disabled"),
            reader: (403, "API key may not do this."),
            new_raw_key(): (401, "Invalid API key"),
        }
        for key, expected in told.items():
            for headers in ({}, {"Authorization": "", "X-API-Key": key}):
                assert (await send(app, key, **headers))[:2] == expected
        for number in range(6):
            headers = {"Authorization": "", "X-API-Key": shop} if number % 2 else {}
            status = (await send(app, shop, **headers))[0]
            assert status == (200 if number < 3 else 429)

    core(work)


def test_a_plan_that_lacks_a_surface_refuses_every_request_of_it(core, admin):
    """Whatever its action or scope; a surface that it has serves the same key."""

    async def work(opened):
        plans = {name: structs.replace(plan, surfaces=("forge",)) for name, plan in opened.configured.plans.items()}
        raw = await make_key(opened, admin)
        opened.configured = replace(opened.configured, plans=plans)
        for body in (b'{"action":"models"}', b'{"action":"status","id":"run_1"}', b"no JSON", LISTS):
            for _ in range(2):  # of a known key a short body is read beside the key
                assert (await send(app_of(opened), raw, body))[:2] == (403, "Plan does not include this surface")
        assert (await send(both_headers(opened), raw))[0] == 200

    core(work)


LISTS = b'{"action":[' + b"[]," * (2 << 20) + b"1]}"


def test_the_body_of_a_stranger_is_not_read(core, admin):
    """Neither with no key nor with an unknown or a disabled one; of a known key it is."""

    async def work(opened):
        app = app_of(opened)
        key, disabled = [await make_key(opened, admin, name=name) for name in ("shop", "off")]
        off = next(one for one in opened.database.attempt(all_keys) if one.key.name == "off").key
        await key_service.switch(opened, admin, off.id, enabled=False)
        for raw, told in ((new_raw_key(), "Invalid API key"), (disabled, "API key is disabled")):
            assert (await send(app, raw, LISTS))[:3] == (401, told, 0)
        assert (await send(app, "", LISTS))[:3] == (401, "Unauthorized", 0)
        assert (await send(app, key, LISTS))[:3] == (400, "Unknown action", len(LISTS))

    core(work)


def test_lists_in_the_place_of_an_action_cost_little(core, admin):
    """Six megabytes of them hold nobody up and are not kept as Python's lists."""

    async def work(opened):
        app, key = app_of(opened), await make_key(opened, admin)
        await send(app, key, b"{}")
        tracemalloc.start()
        started = time.process_time()
        assert (await send(app, key, LISTS))[:2] == (400, "Unknown action")
        seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 6 * len(LISTS)
        assert seconds < 3

    core(work)


def test_a_known_key_over_its_rate_is_refused_before_a_long_body(core, admin):
    """Only a short body may be read beside the key, for the sake of polls."""

    async def work(opened):
        slow = {name: structs.replace(plan, requests_per_minute=2) for name, plan in opened.configured.plans.items()}
        opened.configured = replace(opened.configured, plans=slow)
        app, key = app_of(opened), await make_key(opened, admin)
        for _ in range(2):
            assert (await send(app, key, b'{"action":"models"}'))[0] == 200
        for body in (LISTS, b" " * (SHORT_BODY_BYTES + 1)):
            assert (await send(app, key, body))[:3] == (429, "Rate limit exceeded", 0)

    core(work)


def test_polling_as_recommended_is_within_every_shipped_plan(core, admin):
    """All open jobs of a plan polled every three seconds for five minutes, beside a few other requests: no 429."""

    async def work(opened):
        now = [time.time()]
        opened.clock = lambda: now[0]
        assert [plan.shortfall for plan in opened.configured.plans.values()] == [""] * len(opened.configured.plans)
        trial = opened.plan_of("trial")
        raw = await make_key(opened, admin)
        opened.configured = replace(opened.configured, plans={"standard": structs.replace(trial, key="standard")})
        app = app_of(opened)
        for _ in range(300 // POLL_EVERY_S):
            for _ in range(trial.open_jobs):
                assert (await send(app, raw, b'{"action":"models"}'))[0] == 200
            now[0] += POLL_EVERY_S

    core(work)


def test_a_client_that_comes_too_often_recovers(core, admin):
    """It gets what its plan allows in each minute, not nothing: what is refused is not counted; and it is told how long to wait."""

    async def work(opened):
        now = [600.0]
        opened.clock = lambda: now[0]
        plans = {name: structs.replace(plan, requests_per_minute=30) for name, plan in opened.configured.plans.items()}
        opened.configured = replace(opened.configured, plans=plans)
        raw, app, served = await make_key(opened, admin), app_of(opened), []
        for _ in range(5 * 60):  # five times as often as allowed, without a look at `Retry-After`
            for _ in range(2):
                status, _, _, answer = await send(app, raw, b'{"action":"models"}')
                served.append(status == 200)
                if status == 429:
                    wait_s = int(answer.headers["retry-after"])
                    assert answer.headers["ratelimit"] == f'"default";r=0;t={wait_s}'
            now[0] += 1
        by_minute = [sum(served[start : start + 120]) for start in range(0, len(served), 120)]
        assert all(25 <= count <= 31 for count in by_minute), by_minute
        now[0] += wait_s
        assert (await send(app, raw, b'{"action":"models"}'))[0] == 200

    core(work)


def test_a_refusal_for_another_reason_is_not_counted_either(core, admin):
    """A full queue is 429 as well: what it refuses leaves the rate as it was."""

    async def work(opened):
        plans = {
            name: structs.replace(plan, open_jobs=1, requests_per_minute=60)
            for name, plan in opened.configured.plans.items()
        }
        opened.configured = replace(opened.configured, plans=plans)
        raw, app = await make_key(opened, admin), app_of(opened)
        body = json.dumps({"action": "generate", "prompt": "vase"}).encode()
        assert (await send(app, raw, body))[0] == 200
        for _ in range(5):
            assert (await send(app, raw, body))[:2] == (429, "Queue is full")
        answer = (await send(app, raw, b'{"action":"models"}'))[3]
        assert answer.headers["ratelimit"].startswith('"default";r=58;')

    core(work)
