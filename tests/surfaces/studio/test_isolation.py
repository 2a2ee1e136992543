"""Isolation over Studio: whatever is another's looks like what is not there, in the answer and in what it costs."""

from sqlalchemy import event
from surfaces.recorder import Recorder
from surfaces.studio.requests import GENERATE, JOBS, UNKNOWN_JOB, body, draw, generate, keep, poll

UNKNOWN_KEY = "up_" + "A" * 22


async def cost(client, noted, method, path, sent=None):
    """Status and reason of an answer, and all that SQL and Redis were asked for it."""
    noted.clear()
    answer = await client.request(method, path, json=sent)
    return answer.status_code, answer.json()["error"], list(noted)


def pairs(job, key):
    """Requests that name what is another's, each with the same one of what is not there."""
    for method in ("GET", "DELETE"):
        yield [(method, f"{JOBS}/{one}") for one in (job, UNKNOWN_JOB)]
    for name, ours, theirs in (("sourceGenerationId", job, UNKNOWN_JOB), ("imageKey", key, UNKNOWN_KEY)):
        yield [("POST", GENERATE, body(imageBase64=None, **{name: one})) for one in (ours, theirs)]


def test_foreign_is_as_unknown_for_every_caller(site, work):
    """A key and a person: the same answer for the same statements of SQL and commands of Redis."""

    async def steps(site):
        async with (
            site.by_key(site.key()) as owner,
            site.by_key(site.key()) as key,
            site.person() as (user, person),
        ):
            site.tenant("unlimited", user)
            drawn, waiting, kept, noted = await draw(owner, work), await generate(owner), await keep(owner), []
            event.listen(site.core.database.engine, "before_cursor_execute", lambda *told: noted.append(told[2]))
            connected, site.core.live = site.core.live, Recorder(site.core.settings.redis_url, noted)
            for client in (key, person):
                await client.get(f"{JOBS}/{UNKNOWN_JOB}")  # the process knows the caller
                for job in (drawn["jobId"], waiting["jobId"]):
                    for requests in pairs(job, kept):
                        foreign, unknown = [await cost(client, noted, *request) for request in requests]
                        assert foreign == unknown, requests
                        assert foreign[0] == 404, requests
            await site.core.live.close()
            site.core.live = connected
            assert (await poll(owner, waiting["jobId"]))["status"] == "queued"
            assert (await poll(owner, drawn["jobId"]))["status"] == "succeeded"

    site(steps)


def test_idempotency_keys_are_their_tenants(site):
    """Two tenants that choose the same one get a job each; keys of one tenant share it."""

    async def steps(site):
        tenant, head = site.tenant(), {"Idempotency-Key": "one"}
        async with (
            site.by_key(site.key(tenant)) as first,
            site.by_key(site.key(tenant)) as second,
            site.by_key(site.key()) as other,
        ):
            made = [(await generate(client, headers=head))["jobId"] for client in (first, second, other)]
            assert made[0] == made[1] != made[2]

    site(steps)
