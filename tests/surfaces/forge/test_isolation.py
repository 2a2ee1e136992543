"""Isolation over Forge: whatever is another's looks like what is not there, in the answer and in what it costs."""

from sqlalchemy import event
from surfaces.forge.site import draw, generate
from surfaces.recorder import Recorder

UNKNOWN_JOB = "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64"
UNKNOWN_DIGEST = "c0" * 32
GENERATE = "/v2/generate"


async def cost(client, noted, method, path, body=None, **headers):
    """Status and text of an answer, and all that SQL and Redis were asked for it."""
    noted.clear()
    answer = await client.request(method, path, json=body, headers=headers)
    return answer.status_code, answer.json(), list(noted)


def pairs(job, digest, tenant):
    """Requests that name what is another's, each with the same one of what is not there, and their status."""
    for ours, theirs in ((job, UNKNOWN_JOB), (f"run_{'A' * 22}", UNKNOWN_JOB)):
        yield [("GET", f"/v2/jobs/{one}", None) for one in (ours, theirs)]
    yield [("DELETE", f"/v2/jobs/{one}", None) for one in (job, UNKNOWN_JOB)]
    yield [("POST", GENERATE, {"prompt": "a vase", "input_job_id": one}) for one in (job, UNKNOWN_JOB)]
    for head in ("/v2/assets/", "http://127.0.0.1/v2/assets/"):
        yield [
            ("POST", GENERATE, {"prompt": "a vase", "input_asset_url": head + one}) for one in (digest, UNKNOWN_DIGEST)
        ]
    yield [("GET", f"/v2/assets/{one}", None) for one in (digest, UNKNOWN_DIGEST)]
    yield [("GET", f"/v2/tenants/{one}/usage", None) for one in (tenant, "ten_unknown")]
    yield [("POST", f"/v2/tenants/{one}/rotate", None) for one in (tenant, "ten_unknown")]


def test_foreign_is_as_unknown_for_every_caller(site, work):
    """A key, a person, a member elsewhere and nobody: the same answer for the same statements of SQL and commands of Redis."""

    async def steps(site):
        site.set_forge(assets="private")
        victim = site.tenant()
        async with (
            site.by_key(site.key(victim)) as owner,
            site.by_key(site.key()) as key,
            site.person() as (user, person),
            site.person() as (colleague, member),
            site.client() as nobody,
        ):
            site.tenant("unlimited", user, colleague)
            drawn, waiting = await draw(owner, work), await generate(owner)
            digest, noted = drawn["asset_url"].rpartition("/")[2], []
            event.listen(site.core.database.engine, "before_cursor_execute", lambda *told: noted.append(told[2]))
            connected, site.core.live = site.core.live, Recorder(site.core.settings.redis_url, noted)
            for client in (key, person, member, nobody):
                await client.get("/v2/models")  # the process knows the caller
                for job in (drawn["job_id"], waiting["job_id"]):
                    for requests in pairs(job, digest, victim.id):
                        foreign, unknown = [await cost(client, noted, *request) for request in requests]
                        assert foreign == unknown, requests
                        assert foreign[0] in (401, 404), requests
            for client in (person, member):
                foreign, unknown = [
                    await cost(client, noted, "GET", "/v2/jobs", **{"X-Imgen-Tenant": named})
                    for named in (victim.id, "ten_unknown")
                ]
                assert foreign == unknown
                assert foreign[0] == 403
            await site.core.live.close()
            site.core.live = connected
            assert (await owner.get(f"/v2/jobs/{drawn['job_id']}")).json() == drawn
            assert (await owner.get(f"/v2/jobs/{waiting['job_id']}")).json()["state"] == "queued"

    site(steps)


def test_what_anybody_made_is_not_a_tenants(site, work):
    """A job of nobody is as unknown to a key; to nobody it is a capability, and another's tenant is not."""

    async def steps(site):
        async with site.client() as nobody, site.by_key(site.key()) as key:
            drawn, noted = await draw(nobody, work), []
            event.listen(site.core.database.engine, "before_cursor_execute", lambda *told: noted.append(told[2]))
            digest = drawn["asset_url"].rpartition("/")[2]
            await key.get("/v2/models")
            for requests in pairs(drawn["job_id"], digest, "ten_anonymous"):
                if requests[0][1].startswith("/v2/assets/"):  # which are public here
                    continue
                foreign, unknown = [await cost(key, noted, *request) for request in requests]
                assert foreign == unknown, requests
            assert (await nobody.get(f"/v2/jobs/{drawn['job_id']}")).json() == drawn

    site(steps)


def test_idempotency_keys_are_their_owners(site):
    """Two addresses, and two tenants, that choose the same one get a job each; keys of one tenant share it."""

    async def steps(site):
        tenant = site.tenant()
        async with (
            site.client() as here,
            site.client(site.elsewhere) as elsewhere,
            site.by_key(site.key(tenant)) as first,
            site.by_key(site.key(tenant)) as second,
            site.by_key(site.key()) as other,
        ):
            made = [
                (await generate(client, idempotency_key="one"))["job_id"]
                for client in (here, elsewhere, first, second, other)
            ]
            assert made[2] == made[3]
            assert len(set(made)) == 4

    site(steps)
