"""Callers of Forge by key: both headers, scopes, plans, and the headers of answers."""

import time

import pytest
from sqlalchemy import update
from surfaces.forge.site import failure, generate

from imgen.domain.principal import hash_key, new_raw_key
from imgen.live.executors import PipeliningExecutor
from imgen.records.tables.accounts import api_keys

UNAUTHORIZED, FORBIDDEN = (401, "UNAUTHORIZED"), (403, "FORBIDDEN")


def test_a_key_comes_in_either_header(site):
    """The same in both counts as one; different ones, and any wrong credential, are a 401 and never nobody."""

    async def steps(site):
        key, other = site.key(), site.key()
        bearer = f"Bearer {key}"
        right = (
            {"Authorization": bearer},
            {"X-API-Key": key},
            {"Authorization": f"bearer  {key} "},
            {"Authorization": bearer, "X-API-Key": key},
            {"Authorization": bearer, "X-API-Key": ""},
            {"Authorization": "", "X-API-Key": f" {key} "},
            {"Authorization": "Basic dTpw", "X-API-Key": key},
        )
        wrong = (
            {"Authorization": bearer, "X-API-Key": other},
            {"Authorization": bearer, "X-API-Key": new_raw_key()},
            {"Authorization": "Basic dTpw"},
            {"Authorization": key},
            {"Authorization": "Bearer "},
            {"Authorization": ""},
            {"X-API-Key": ""},
            {"X-API-Key": bearer},
            {"X-API-Key": new_raw_key("forge")},
            {"X-API-Key": key[:-1]},
        )
        async with site.client() as client:
            for headers in right:
                assert (await client.get("/v2/jobs", headers=headers)).status_code == 200, headers
            for headers in wrong:
                assert failure(await client.get("/v2/models", headers=headers)) == UNAUTHORIZED, headers

    site(steps)


def test_a_key_that_was_switched_off_or_has_expired_is_refused(site):
    """401 in both headers."""

    async def steps(site):
        expired, disabled = site.key(expires_at=site.core.clock() - 1), site.key()
        off = update(api_keys).where(api_keys.c.hash == hash_key(disabled)).values(enabled=False)
        site.core.database.attempt(lambda connection: connection.execute(off))
        async with site.client() as client:
            for key in (expired, disabled):
                for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
                    assert failure(await client.get("/v2/models", headers=headers)) == UNAUTHORIZED

    site(steps)


@pytest.mark.parametrize("scope", ["generate", "read"])
def test_scopes_cover_their_routes(site, scope):
    """`generate` makes and cancels, `read` reads; tiers, health and public pictures need neither."""

    async def steps(site):
        tenant = site.tenant()
        async with site.by_key(site.key(tenant)) as whole:
            job = (await generate(whole))["job_id"]
        covered = {
            ("POST", "/v2/generate"): ("generate", 202),
            ("GET", "/v2/jobs"): ("read", 200),
            ("GET", f"/v2/jobs/{job}"): ("read", 200),
            ("DELETE", f"/v2/jobs/{job}"): ("generate", 200),
            ("GET", f"/v2/tenants/{tenant.id}/usage"): ("read", 200),
            ("GET", "/v2/models"): (scope, 200),
            ("GET", "/v2/health"): (scope, 200),
            ("GET", f"/v2/assets/{'0' * 64}"): (scope, 404),
        }
        async with site.by_key(site.key(tenant, scopes=(scope,))) as client:
            for (method, path), (needed, status) in covered.items():
                answer = await client.request(method, path, json={"prompt": "a vase"} if method == "POST" else None)
                assert answer.status_code == (status if needed == scope else 403), path
                if needed != scope:
                    assert failure(answer) == FORBIDDEN
            for method, path in (
                ("POST", "/v2/tenants"),
                ("GET", "/v2/tenants"),
                ("POST", f"/v2/tenants/{tenant.id}/rotate"),
            ):  # these are for people
                assert failure(await client.request(method, path)) == UNAUTHORIZED

    site(steps)


def test_a_plan_without_forge_or_without_the_tier_is_refused(site):
    """403, and nothing is made."""

    async def steps(site):
        tenant = site.tenant("unlimited")
        async with site.by_key(site.key(tenant)) as client:
            site.set_plan("unlimited", tiers=("draft", "standard"))
            refused = await client.post("/v2/generate", json={"prompt": "a vase", "quality_tier": "ultra"})
            assert failure(refused) == FORBIDDEN
            assert (await client.get("/v2/jobs")).json()["jobs"] == []
            job = (await generate(client, quality_tier="draft"))["job_id"]
            site.set_plan("unlimited", tiers=(), surfaces=("action", "web"))
            for method, path in (
                ("POST", "/v2/generate"),
                ("GET", "/v2/jobs"),
                ("GET", f"/v2/jobs/{job}"),
                ("DELETE", f"/v2/jobs/{job}"),
                ("GET", "/v2/models"),
                ("GET", f"/v2/tenants/{tenant.id}/usage"),
            ):
                assert failure(await client.request(method, path, json={"prompt": "a vase"})) == FORBIDDEN
            assert (await client.get("/v2/health")).status_code == 200

    site(steps)


def test_headers_of_answers(site):
    """Each has `X-Request-Id`; where a rate applies `RateLimit`, and what may be sent again later has `Retry-After`."""

    async def steps(site):
        now = time.time()
        site.core.clock = lambda: now
        site.set_plan("standard", requests_per_minute=3)
        async with site.by_key(site.key(site.tenant("standard"))) as client, site.client() as nobody:
            answers = [await client.get("/v2/models") for _ in range(4)]
            assert [one.status_code for one in answers] == [200, 200, 200, 429]
            assert failure(answers[3]) == (429, "RATE_LIMITED")
            assert int(answers[3].headers["retry-after"]) >= 1
            assert [one.headers["ratelimit"].partition(";t=")[0] for one in answers] == [
                f'"default";r={remaining}' for remaining in (2, 1, 0, 0)
            ]
            others = [
                await nobody.get("/v2/health"),
                await nobody.get(f"/v2/assets/{'0' * 64}"),
                await nobody.get("/v2/jobs"),
            ]
            assert [one.status_code for one in others] == [200, 404, 401]
            ids = {one.headers["x-request-id"] for one in (*answers, *others)}
            assert len(ids) == len(answers) + len(others)
            connected, site.core.live = site.core.live, PipeliningExecutor("unix:///nowhere")
            answer = await nobody.post("/v2/generate", json={"prompt": "a vase"})
            await site.core.live.close()
            site.core.live = connected
            assert failure(answer) == (503, "UNAVAILABLE")
            assert int(answer.headers["retry-after"]) >= 1

    site(steps)
