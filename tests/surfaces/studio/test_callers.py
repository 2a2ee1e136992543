"""Callers of Studio: keys in both headers, scopes, and sessions; nobody is served without a credential."""

import pytest
from surfaces.studio.requests import GENERATE, IMAGES, JOBS, UNKNOWN_JOB, body, failure, generate, poll

from imgen.domain.principal import new_raw_key

ROUTES = (("POST", GENERATE), ("POST", IMAGES), ("GET", f"{JOBS}/{UNKNOWN_JOB}"), ("DELETE", f"{JOBS}/{UNKNOWN_JOB}"))
UNAUTHORIZED = (401, "unauthorized")


def test_a_key_comes_in_either_header(site):
    """Any prefix will do; different ones, a wrong one and none are a 401 on every route, even where nobody is served elsewhere."""

    async def steps(site):
        key, other = site.key(), site.key()
        bearer = f"Bearer {key}"
        async with site.client() as client:
            for headers in ({"Authorization": bearer}, {"X-API-Key": key}, {"Authorization": bearer, "X-API-Key": key}):
                answer = await client.get(f"{JOBS}/{UNKNOWN_JOB}", headers=headers)
                assert failure(answer) == (404, "not_found")
            for headers in (
                {},
                {"Authorization": bearer, "X-API-Key": other},
                {"Authorization": "Basic dTpw"},
                {"Authorization": key},
                {"X-API-Key": new_raw_key()},
            ):
                for method, path in ROUTES:
                    assert failure(await client.request(method, path, headers=headers)) == UNAUTHORIZED, path

    site(steps)


@pytest.mark.parametrize("scope", ["generate", "read"])
def test_scopes_cover_their_routes(site, scope):
    """`generate` makes, keeps and cancels, `read` reads; else 403."""

    async def steps(site):
        tenant = site.tenant()
        async with site.by_key(site.key(tenant)) as whole:
            job = (await generate(whole))["jobId"]
        covered = {
            ("POST", GENERATE): ("generate", 202),
            ("POST", IMAGES): ("generate", 200),
            ("GET", f"{JOBS}/{job}"): ("read", 200),
            ("DELETE", f"{JOBS}/{job}"): ("generate", 200),
        }
        async with site.by_key(site.key(tenant, scopes=(scope,))) as client:
            for (method, path), (needed, status) in covered.items():
                answer = await client.request(method, path, json=body() if method == "POST" else None)
                assert answer.status_code == (status if needed == scope else 403), path
                if needed != scope:
                    assert failure(answer) == (403, "forbidden")

    site(steps)


def test_a_session_acts_with_its_csrf_token(site):
    """For the tenant that is named, or the oldest; a change without the token is a 403 and makes nothing."""

    async def steps(site):
        async with site.person() as (user, client):
            assert failure(await client.post(GENERATE, json=body())) == (403, "forbidden")  # without any tenant
            first, second = site.tenant("unlimited", user), site.tenant("unlimited", user)
            made = await generate(client)
            there = {"X-Imgen-Tenant": second.id}
            assert (await client.get(f"{JOBS}/{made['jobId']}", headers=there)).status_code == 404
            assert (
                await client.get(f"{JOBS}/{made['jobId']}", headers={"X-Imgen-Tenant": first.id})
            ).status_code == 200
            own = client.headers.pop("x-csrftoken")
            for method, path in (("POST", GENERATE), ("POST", IMAGES), ("DELETE", f"{JOBS}/{made['jobId']}")):
                for sent in ({}, {"x-csrftoken": own + "x"}):
                    answer = await client.request(method, path, headers=sent)
                    assert failure(answer) == (403, "forbidden"), path
            assert (await poll(client, made["jobId"]))["status"] == "queued"

    site(steps)
