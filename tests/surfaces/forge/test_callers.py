"""Callers of Forge: keys in both headers, scopes and plans, sessions, and callers without a credential."""

import time

import pytest
from sqlalchemy import update
from surfaces.forge.site import draw, failure, generate

from imgen.domain.principal import hash_key, new_raw_key
from imgen.live.executors import PipeliningExecutor
from imgen.records import users
from imgen.records.tables.accounts import api_keys

UNKNOWN_JOB = "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64"
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


def test_a_session_acts_with_its_csrf_token(site):
    """Reads need none; a change without it, with another's or with a forged one is a 403 and makes nothing."""

    async def steps(site):
        async with site.person() as (user, client), site.person() as (_, other):
            site.tenant("unlimited", user)
            own = client.headers.pop("x-csrftoken")
            assert (await client.get("/v2/jobs")).json()["jobs"] == []
            for sent in (
                {},
                {"x-csrftoken": ""},
                {"x-csrftoken": other.cookies["csrftoken"]},
                {"x-csrftoken": own + "x"},
            ):
                answer = await client.post("/v2/generate", json={"prompt": "a vase"}, headers=sent)
                assert failure(answer) == FORBIDDEN, sent
            session = client.cookies["imgen_session"]
            for forged in ("forged", '"forged"', "ImZvcmdlZCI.c2lnbmF0dXJl", ""):
                head = {"Cookie": f"imgen_session={session}; csrftoken={forged}", "x-csrftoken": forged}
                async with site.client() as plain:
                    answer = await plain.post("/v2/generate", json={"prompt": "a vase"}, headers=head)
                    assert failure(answer) == FORBIDDEN, forged
            assert (await client.get("/v2/jobs")).json()["jobs"] == []
            client.headers["x-csrftoken"] = own
            made = await generate(client)
            assert (await client.get("/v2/jobs")).json()["jobs"] == [made]
            assert (await client.delete(f"/v2/jobs/{made['job_id']}")).json()["error"] == "Cancelled"

    site(steps)


def test_a_session_acts_for_one_tenant(site):
    """For the oldest, or the one that the header names; a foreign and an unknown one are the same 403."""

    async def steps(site):
        async with site.person() as (user, client):
            assert failure(await client.get("/v2/jobs")) == FORBIDDEN  # without any tenant
            first, second, foreign = site.tenant("unlimited", user), site.tenant("unlimited", user), site.tenant()
            made = await generate(client)
            listed = {
                one.id: (await client.get("/v2/jobs", headers={"X-Imgen-Tenant": one.id})).json()["jobs"]
                for one in (first, second)
            }
            assert listed == {first.id: [made], second.id: []}
            refused = [
                await client.get("/v2/jobs", headers={"X-Imgen-Tenant": named}) for named in (foreign.id, "ten_unknown")
            ]
            assert [failure(one) for one in refused] == [FORBIDDEN, FORBIDDEN]
            assert refused[0].json() == refused[1].json()

    site(steps)


def test_a_first_password_has_to_be_changed(site):
    """Until then the session is a 401 on every route, even where nobody would be served."""

    async def steps(site):
        async with site.person(is_new=True) as (user, client):
            tenant = site.tenant("unlimited", user)
            for method, path in (
                ("POST", "/v2/generate"),
                ("GET", "/v2/jobs"),
                ("GET", "/v2/models"),
                ("GET", "/v2/tenants"),
                ("POST", "/v2/tenants"),
                ("POST", f"/v2/tenants/{tenant.id}/rotate"),
                ("GET", f"/v2/tenants/{tenant.id}/usage"),
            ):
                answer = await client.request(method, path, json={"prompt": "a vase"} if method == "POST" else None)
                assert failure(answer) == UNAUTHORIZED, path

    site(steps)


def test_a_session_that_has_ended_is_no_anonymous_caller(site):
    """Signed out elsewhere, expired or forged: 401 on every route, although nobody would be served; a mere visitor is nobody."""

    async def steps(site):
        async with site.person() as (user, client):
            site.tenant("unlimited", user)
            ended = client.cookies["imgen_session"]
            assert (await client.get("/v2/models")).status_code == 200
            site.core.database.attempt(users.close_sessions, user.id, but="")
            for cookie in (ended, ended[:-2], "forged"):
                head = {"Cookie": f"imgen_session={cookie}"}
                async with site.client(**head) as late:
                    for method, path in (
                        ("POST", "/v2/generate"),
                        ("GET", "/v2/jobs"),
                        ("GET", "/v2/models"),
                        ("GET", "/v2/tenants"),
                        ("GET", f"/v2/jobs/{UNKNOWN_JOB}"),
                    ):
                        body = {"prompt": "a vase"} if method == "POST" else None
                        assert failure(await late.request(method, path, json=body)) == UNAUTHORIZED, (cookie, path)
                    assert (await late.get("/v2/health")).status_code == 200
        async with site.client() as visitor:
            await visitor.get("/panel")  # whose cookie keeps the page to go to after the sign-in
            assert visitor.cookies["imgen_session"]
            assert (await visitor.get("/v2/models")).status_code == 200

    site(steps)


def test_nobody_is_served_where_the_operator_allows_it(site):
    """Their jobs are read and cancelled by their ids from any address; there is no list, and no tenant's job or picture."""

    async def steps(site):
        async with site.client() as here, site.client(site.elsewhere) as elsewhere, site.by_key(site.key()) as tenant:
            made = await generate(here, seed=3)
            assert (await elsewhere.get(f"/v2/jobs/{made['job_id']}")).json() == made
            assert failure(await here.get("/v2/jobs")) == UNAUTHORIZED
            assert failure(await here.get("/v2/tenants")) == UNAUTHORIZED
            assert failure(await here.get("/v2/tenants/ten_anonymous/usage")) == UNAUTHORIZED
            own = await generate(tenant)
            for client, job in ((tenant, made), (here, own)):
                assert failure(await client.get(f"/v2/jobs/{job['job_id']}")) == (404, "NOT_FOUND")
                assert failure(await client.delete(f"/v2/jobs/{job['job_id']}")) == (404, "NOT_FOUND")
            assert (await elsewhere.delete(f"/v2/jobs/{made['job_id']}")).json()["error"] == "Cancelled"

    site(steps)


def test_pictures_of_nobody_are_inputs_of_nobody_alone(site, work):
    """By job and by address; a tenant's picture is none of theirs."""

    async def steps(site):
        async with site.client() as here, site.client(site.elsewhere) as elsewhere, site.by_key(site.key()) as tenant:
            theirs, own = await draw(here, work), await draw(tenant, work)
            for client, source, status in (
                (elsewhere, theirs, 202),
                (tenant, own, 202),
                (tenant, theirs, 404),
                (here, own, 404),
            ):
                for field in ({"input_job_id": source["job_id"]}, {"input_asset_url": source["asset_url"]}):
                    answer = await client.post("/v2/generate", json={"prompt": "a vase"} | field)
                    assert answer.status_code == status, field
                    assert status == 202 or failure(answer) == (404, "NOT_FOUND")

    site(steps)


def test_where_nobody_is_served_a_credential_is_needed(site):
    """Health and public pictures alone need none."""

    async def steps(site):
        site.set_forge(anonymous=False)
        async with site.client() as client:
            for method, path in (
                ("POST", "/v2/generate"),
                ("GET", "/v2/jobs"),
                ("GET", f"/v2/jobs/{UNKNOWN_JOB}"),
                ("DELETE", f"/v2/jobs/{UNKNOWN_JOB}"),
                ("GET", "/v2/models"),
                ("GET", "/v2/tenants/ten_unknown/usage"),
            ):
                assert failure(await client.request(method, path)) == UNAUTHORIZED, path
            assert (await client.get("/v2/health")).json()["status"] == "ok"
            assert failure(await client.get(f"/v2/assets/{'0' * 64}")) == (404, "NOT_FOUND")

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
