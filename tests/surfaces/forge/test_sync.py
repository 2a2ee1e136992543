"""Waiting over Forge: a client that goes away, and a wait that is over, leave the job to its worker."""

import asyncio
import json

from surfaces.forge.site import failure, generate


async def listed(client):
    """The newest jobs."""
    return (await client.get("/v2/jobs")).json()["jobs"]


def test_a_client_that_goes_away_leaves_the_job_and_nothing_else(site):
    """No task and no waiter stays behind, and nothing is answered."""

    async def steps(site):
        key, gone, sent = site.key(), asyncio.Event(), []
        body = [{"type": "http.request", "body": json.dumps({"prompt": "a vase", "sync": True}).encode()}]

        async def receive():
            if body:
                return body.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v2/generate",
            "raw_path": b"/v2/generate",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"x-api-key", key.encode())],
            "client": ("192.0.2.1", 50_000),
            "server": ("127.0.0.1", 80),
        }
        async with site.by_key(key) as client:
            await generate(client)
            awaiting = site.core.awaiting
            assert awaiting.is_idle
            async with asyncio.timeout(60):
                request = asyncio.ensure_future(site.app(scope, receive, send))
                while awaiting.is_idle:  # noqa: ASYNC110 - nothing tells it
                    await asyncio.sleep(0.01)
                gone.set()
                await request
                while not awaiting.is_idle:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
            assert sent == []
            assert [job["state"] for job in await listed(client)] == ["queued", "queued"]
            left = [repr(task.get_coro()) for task in asyncio.all_tasks()]
            assert [name for name in left if " disconnection " in name or "Awaiting.ends" in name] == []

    site(steps)


def test_a_wait_that_is_over_is_answered_as_a_job_that_goes_on(site):
    """202 with the job as a poll has it; a repetition waits for the same job."""

    async def steps(site):
        site.set_forge(sync_wait_s=0.05)
        async with site.by_key(site.key()) as client:
            made = await generate(client, sync=True, idempotency_key="once")
            assert made["state"] == "queued"
            assert await generate(client, sync=True, idempotency_key="once") == made
            assert await listed(client) == [made]
            assert (await client.get(f"/v2/jobs/{made['job_id']}")).json() == made
            assert failure(await client.post("/v2/generate", json={"sync": True})) == (400, "VALIDATION_ERROR")

    site(steps)


def test_a_job_that_fails_meanwhile_is_answered_as_failed(site):
    """201 with the reason; a repetition gets the same job."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            waiting = asyncio.ensure_future(generate(client, status=201, sync=True, idempotency_key="once"))
            async with asyncio.timeout(60):
                while not (jobs := await listed(client)):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
                await client.delete(f"/v2/jobs/{jobs[0]['job_id']}")
                ended = await waiting
            assert (ended["state"], ended["error"], ended["asset_url"]) == ("failed", "Cancelled", None)
            body = {"prompt": "a red coat on the beach", "sync": True, "idempotency_key": "once"}
            again = await client.post("/v2/generate", json=body)
            assert (again.status_code, again.headers["idempotency-replayed"], again.json()) == (201, "true", ended)

    site(steps)
