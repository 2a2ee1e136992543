"""Plans over Studio: who may use it, how often, how large, and what each answer tells of it."""

import time
from dataclasses import replace

import pytest
from msgspec import structs
from surfaces.studio.requests import GENERATE, IMAGES, JOBS, UNKNOWN_JOB, body, failure, generate, keep, month_of, poll

from imgen.domain.account import Pack
from imgen.domain.ids import stored_id
from imgen.records import jobs, ledger, packs
from imgen.records.tables.ledger import counters

PLAN_REQUIRED = (403, "plan_required")
MINUTE = 1_796_000_040.0
"""The beginning of a minute, as the counters have them."""


def book(site, owner, **sums):
    """Books pictures or credits of this month for an owner."""
    _, month = ledger.periods(site.core.clock())
    row = {"owner": owner, "period": month, **sums}
    site.core.database.attempt(lambda connection: connection.execute(counters.insert(), row))


@pytest.mark.parametrize("plan", ["free", "starter"])
def test_small_plans_may_not_use_it(site, plan):
    """403 on every route, for keys and for members, and nothing is made."""

    async def steps(site):
        async with site.person() as (user, person):
            tenant = site.tenant(plan, user)
            async with site.by_key(site.key(tenant)) as key:
                for client in (key, person):
                    for method, path, sent in (
                        ("POST", GENERATE, body()),
                        ("POST", GENERATE, {}),
                        ("POST", IMAGES, None),
                        ("GET", f"{JOBS}/{UNKNOWN_JOB}", None),
                        ("DELETE", f"{JOBS}/{UNKNOWN_JOB}", None),
                    ):
                        assert failure(await client.request(method, path, json=sent)) == PLAN_REQUIRED, path
            assert month_of(site, tenant.id) == ledger.Count()

    site(steps)


def test_an_export_beyond_the_plan_is_refused(site):
    """Pro has 2048 pixels, Business 4096, and each what the model draws."""

    async def steps(site):
        for plan, sizes in (("pro", ("base", "2k")), ("business", ("base", "2k", "4k"))):
            async with site.by_key(site.key(site.tenant(plan))) as client:
                for size in ("base", "2k", "4k"):
                    answer = await client.post(GENERATE, json=body(exportSize=size))
                    if size in sizes:
                        assert answer.status_code == 202, answer.text
                    else:
                        assert failure(answer) == PLAN_REQUIRED

    site(steps)


def test_the_thirty_first_request_of_a_minute_is_refused_on_pro(site):
    """The answer before tells that none is left; the refused one is not counted, and polls are requests like any other."""

    async def steps(site):
        now = MINUTE
        site.core.clock = lambda: now
        tenant = site.tenant("pro")
        async with site.by_key(site.key(tenant)) as client:
            first = await generate(client)
            assert first["rateLimit"] == {"remainingThisMinute": 29}
            for left in range(28, 0, -1):
                answer = await client.get(first["statusUrl"])
                assert answer.headers["ratelimit"].startswith(f'"default";r={left};')
            last = await generate(client)
            assert last["rateLimit"] == {"remainingThisMinute": 0}
            refused = await client.post(GENERATE, json=body())
            assert failure(refused) == (429, "rate_limited")
            assert int(refused.headers["retry-after"]) >= 1
            assert month_of(site, tenant.id).held == 2
            now += int(refused.headers["retry-after"])
            assert (await client.get(first["statusUrl"])).status_code == 200

    site(steps)


def test_members_and_keys_of_business_share_the_teams_quota(site):
    """Each is told what all have left, and each has a rate of its own."""

    async def steps(site):
        site.core.clock = lambda: MINUTE
        async with site.person() as (user, person):
            tenant = site.tenant("business", user)
            async with site.by_key(site.key(tenant)) as first, site.by_key(site.key(tenant)) as second:
                told = [await generate(client) for client in (first, second, person)]
                assert [one["quota"]["remaining"] for one in told] == [999, 998, 997]
                assert [one["quota"]["remainingAfterQueue"] for one in told] == [999, 998, 997]
                assert {one["quota"]["scope"] for one in told} == {"team"}
                assert [one["rateLimit"]["remainingThisMinute"] for one in told] == [119, 119, 119]
                await first.delete(told[1]["statusUrl"])
                assert (await poll(second, told[0]["jobId"]))["quota"]["remaining"] == 998
                rows = [site.core.database.attempt(jobs.find, stored_id(one["jobId"])) for one in told]
                assert {one.priority for one in rows} == {site.core.plan_of("business").priority}

    site(steps)


def test_the_picture_beyond_the_month_is_refused(site):
    """The last one tells that none is left; the next is a 429 that costs nothing, kept sources included."""

    async def steps(site):
        now = time.time()
        site.core.clock = lambda: now
        tenant = site.tenant("pro")
        book(site, tenant.id, pictures=99)
        async with site.by_key(site.key(tenant)) as client:
            key = await keep(client)
            last = await generate(client, imageBase64=None, imageKey=key)
            assert (last["quota"]["source"], last["quota"]["remaining"]) == ("plan", 0)
            refused = await client.post(GENERATE, json=body())
            assert failure(refused) == (429, "quota_exceeded")
            assert int(refused.headers["retry-after"]) >= 1
            assert month_of(site, tenant.id).held == 1

    site(steps)


def test_packs_give_what_the_plan_has_no_more(site):
    """`source` tells where the credits come from; `remaining` counts plan and packs together."""

    async def steps(site):
        tenant = site.tenant("pro")
        book(site, tenant.id, plan_credits=998)
        pack = Pack(key="pack_500", label="Starter", credits=2)
        site.core.database.attempt(packs.grant, tenant, pack, reference=tenant.id)
        async with site.by_key(site.key(tenant)) as client:
            told = [(await generate(client))["quota"] for _ in range(3)]
            assert [(one["source"], one["remaining"]) for one in told] == [("plan", 3), ("plan", 2), ("pack", 1)]
            both = await generate(client)
            assert (both["quota"]["source"], both["quota"]["remaining"]) == ("pack", 0)
            assert failure(await client.post(GENERATE, json=body())) == (429, "quota_exceeded")
            await client.delete(both["statusUrl"])
            assert (await poll(client, both["jobId"]))["quota"]["remaining"] == 1

    site(steps)


def test_the_narrowest_limit_is_told(site):
    """Pictures of a day, or of dear pictures as many as the credits of a month still pay; the sums of the books agree."""

    async def steps(site):
        async with site.by_key(site.key(site.tenant("trial"))) as client:
            assert (await generate(client))["quota"]["remaining"] == 19
        site.set_plan("standard", credits_per_month=10)
        studio = site.core.configured.studio
        dear = {**studio.modes, "style": structs.replace(studio.modes["style"], credits=3)}
        site.core.configured = replace(site.core.configured, studio=structs.replace(studio, modes=dear))
        tenant = site.tenant("standard")
        async with site.by_key(site.key(tenant)) as client:
            told = [(await generate(client))["quota"]["remaining"] for _ in range(3)]
            assert told == [2, 1, 0]
            assert failure(await client.post(GENERATE, json=body())) == (429, "quota_exceeded")
            cheap = await generate(client, mode="avatar", preset="anime")
            assert cheap["quota"]["remaining"] == 0
        assert (month_of(site, tenant.id).held, month_of(site, tenant.id).credits_held) == (4, 10)

    site(steps)


def test_more_open_jobs_than_the_plan_allows_are_refused(site):
    """All of a request or none; `Retry-After` tells when to come again."""

    async def steps(site):
        tenant = site.tenant("pro")
        async with site.by_key(site.key(tenant)) as client:
            await generate(client, count=4)
            answer = await client.post(GENERATE, json=body(count=2))
            assert failure(answer) == (429, "rate_limited")
            assert "retry-after" in answer.headers
            assert month_of(site, tenant.id).held == 4
            await generate(client)

    site(steps)
