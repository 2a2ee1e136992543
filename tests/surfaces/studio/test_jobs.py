"""Jobs over Studio: every state, its fields, its quota and its picture; and their cancelling."""

import io
import re
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from msgspec import to_builtins
from PIL import Image
from surfaces.site import second_process
from surfaces.studio.requests import (
    GENERATE,
    JOBS,
    REQUEST_ID,
    UNKNOWN_JOB,
    body,
    draw,
    failure,
    generate,
    month_of,
    poll,
)

from imgen import app
from imgen.domain.errors import TimedOut
from imgen.domain.failure import failure_of
from imgen.domain.ids import stored_id
from imgen.domain.job import State, view_of
from imgen.domain.outcome import FAILED_OUTCOME, TIMED_OUT_OUTCOME
from imgen.live import job_views
from imgen.records import job_transitions, jobs
from imgen.surfaces import studio

QUOTA = {"source": "plan", "scope": "team", "remaining": 999, "charged": False}
QUOTA |= {"remainingAfterQueue": 999, "chargedOnSuccess": True}


async def claim(site, made):
    """A worker has the job, and what it did is seen."""
    job_id = stored_id(made["jobId"])
    claimed = site.core.database.attempt(
        job_transitions.claim, job_id, waiting=State.QUEUED, lease_s=60, max_attempts=3
    )
    await show(site, claimed)
    return claimed


async def show(site, job):
    await site.core.live.run(job_views.set_view(job.id, view_of(job), site.core.live.run_id))


def test_a_job_from_queue_to_picture(site, work):
    """Every field of each state; the address leads to the picture for a quarter of an hour, and is signed anew."""

    async def steps(site):
        tenant = site.tenant("business")
        async with site.by_key(site.key(tenant)) as client:
            made = await generate(client, outputAspect="1:1")
            head = {"jobId": made["jobId"], "requestId": made["requestId"]}
            assert await poll(client, made["jobId"]) == head | {"status": "queued", "progress": 0.0, "quota": QUOTA}
            work(stored_id(made["jobId"]))
            now = site.core.clock()
            ended = await poll(client, made["jobId"])
            assert list(ended) == [
                "jobId", "status", "requestId", "quota", "downloadUrl", "width", "height", "contentType",
            ]  # fmt: skip
            assert ended | {"downloadUrl": "", "width": 0, "height": 0, "contentType": ""} == head | {
                "status": "succeeded",
                "quota": QUOTA | {"charged": True},
                "downloadUrl": "",
                "width": 0,
                "height": 0,
                "contentType": "",
            }
            assert ended["width"] == ended["height"] > 0
            url = urlsplit(ended["downloadUrl"])
            expires = int(parse_qs(url.query)["expires"][0])
            assert now + 890 < expires < now + 930
            key = url.path.removeprefix("/files/")
            with Image.open(io.BytesIO(site.core.objects.get(key))) as image:
                assert (image.size, f"image/{image.format.lower()}") == (
                    (ended["width"], ended["height"]),
                    ended["contentType"],
                )
            assert (await poll(client, made["jobId"]))["downloadUrl"].startswith(
                f"{url.scheme}://{url.netloc}{url.path}"
            )
        assert (month_of(site, tenant.id).pictures, month_of(site, tenant.id).credits) == (1, 1)

    site(steps)


def test_a_job_under_way_tells_its_progress(site):
    """`processing` from the moment that a worker has it."""

    async def steps(site):
        async with site.by_key(site.key(site.tenant("business"))) as client:
            made = await generate(client)
            claimed = await claim(site, made)
            assert (await poll(client, made["jobId"]))["status"] == "processing"
            await site.core.live.run(job_views.start_progress(claimed.id, site.core.live.run_id))
            await site.core.live.run(job_views.set_progress(claimed.id, 0.5, fence=claimed.fence))
            told = await poll(client, made["jobId"])
            assert (told["status"], told["progress"], told["quota"]) == ("processing", 0.45, QUOTA)
            assert not {"error", "downloadUrl", "width"} & set(told)

    site(steps)


def test_ends_without_a_picture_cost_nothing(site, work):
    """Blocked, failed, timed out and canceled: the reason is told, the hold is released, and nothing is charged."""

    async def steps(site):
        tenant = site.tenant("business")
        async with site.by_key(site.key(tenant)) as client:
            blocked = await draw(client, work, prompt="nude woman")
            assert blocked["status"] == "failed"
            assert blocked["error"] == {
                "code": "moderation_blocked",
                "message": "Content blocked — flagged for: Sexual content",
            }
            for state, outcome, code in (
                (State.FAILED, FAILED_OUTCOME, "generation_failed"),
                (State.TIMED_OUT, TIMED_OUT_OUTCOME, "timed_out"),
            ):
                claimed = await claim(site, await generate(client))
                reason = failure_of(TimedOut()) if state is State.TIMED_OUT else None
                more = {} if reason is None else {"failure": reason}
                ended = site.core.database.attempt(job_transitions.end, claimed, state, outcome, **more)
                await show(site, ended)
                told = await poll(client, studio.job_answers.uuid_form(ended.id))
                assert (told["status"], told["error"]) == ("failed", {"code": code, "message": outcome.error})
                assert "downloadUrl" not in told
            made = await generate(client)
            canceled = (await client.delete(f"{JOBS}/{made['jobId']}")).json()
            assert canceled == await poll(client, made["jobId"])
            assert canceled == {
                "jobId": made["jobId"],
                "status": "canceled",
                "requestId": made["requestId"],
                "quota": QUOTA | {"remaining": 1000, "remainingAfterQueue": 1000},
            }
            assert (blocked["quota"]["charged"], blocked["quota"]["remaining"]) == (False, 1000)
        month = month_of(site, tenant.id)
        assert (month.held, month.pictures, month.credits, month.credits_held, month.plan_credits) == (0, 0, 0, 0, 0)

    site(steps)


def test_cancelling_what_has_ended_changes_nothing(site, work):
    """The answer is that of a poll."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            ended = await draw(client, work)
            answer = (await client.delete(f"{JOBS}/{ended['jobId']}")).json()
            assert answer | {"downloadUrl": ""} == ended | {"downloadUrl": ""}

    site(steps)


def test_jobs_of_other_surfaces_are_told_too(site, work):
    """Without the id of a request, which they do not keep; and Studio's jobs are Forge's."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            made = (await client.post("/v2/generate", json={"prompt": "a vase"})).json()
            told = await poll(client, made["job_id"])
            assert (told["status"], told["requestId"]) == ("queued", None)
            own = await draw(client, work)
            there = (await client.get(f"/v2/jobs/{own['jobId']}")).json()
            assert (there["job_id"], there["state"]) == (own["jobId"], "completed")

    site(steps)


def test_unknown_jobs_are_not_found(site):
    """404 for each form of an id that no job has."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            for job_id in (UNKNOWN_JOB, "x", "run_" + "A" * 22, "a%00", "%ff"):
                for method in ("GET", "DELETE"):
                    assert failure(await client.request(method, f"{JOBS}/{job_id}")) == (404, "not_found")

    site(steps)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "not_found"),
        (405, "method_not_allowed"),
        (408, "timeout"),
        (431, "invalid_request"),
        (500, "internal"),
        (507, "internal"),
    ],
)
def test_failures_before_a_handler_have_studios_form(status, code):
    """Unknown paths, other methods, broken connections and faults, with the id of the request."""
    told, content, _ = app.refusal("/api/v1/nothing", status, "Words")
    answer = httpx2.Response(told, content=content).json()
    assert re.fullmatch(REQUEST_ID, answer.pop("requestId"))
    assert (told, answer) == (status, {"error": {"code": code, "message": "Words"}})


def test_unknown_paths_and_other_methods_of_a_server(server):
    """404 and 405 with the id of the request, which is that of the header."""
    for method, path, expected in (
        ("GET", "/api/v1", (404, "not_found")),
        ("GET", "/api/v1/generate/x", (404, "not_found")),
        ("PUT", GENERATE, (405, "method_not_allowed")),
        ("POST", f"{JOBS}/{UNKNOWN_JOB}", (405, "method_not_allowed")),
        ("GET", f"{JOBS}/{UNKNOWN_JOB}", (401, "unauthorized")),
    ):
        assert failure(httpx2.request(method, server.url + path)) == expected, path


def test_another_process_tells_the_same(site, work):
    """Facts that a process does not know come from the row, the id of the request among them."""

    async def steps(site):
        key = site.key(site.tenant("business"))
        async with site.by_key(key) as client, second_process(site) as elsewhere, elsewhere.by_key(key) as other:
            made = await generate(client)
            assert await poll(other, made["jobId"]) == await poll(client, made["jobId"])
            work(stored_id(made["jobId"]))
            told = [await poll(one, made["jobId"]) for one in (other, client)]
            assert told[0] | {"downloadUrl": ""} == told[1] | {"downloadUrl": ""}
            assert told[0]["requestId"] == made["requestId"]

    site(steps)


def test_webhooks_have_the_answer_of_a_poll(site, work):
    """With the job's id as `id`, a fresh address, and no quota, which is another's by then."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            ended = await draw(client, work)
            job = site.core.database.attempt(jobs.find, stored_id(ended["jobId"]))
            told = to_builtins(studio.SURFACE.ended(site.core, job))
            assert told.pop("id") == ended["jobId"]
            assert told | {"downloadUrl": ""} == {name: ended[name] for name in ended if name != "quota"} | {
                "downloadUrl": ""
            }
            answer = await client.post(GENERATE, json=body(prompt="nude woman"))
            work(stored_id(answer.json()["jobId"]))
            blocked = site.core.database.attempt(jobs.find, stored_id(answer.json()["jobId"]))
            told = to_builtins(studio.SURFACE.ended(site.core, blocked))
            assert (told["status"], told["error"]["code"]) == ("failed", "moderation_blocked")
            assert "downloadUrl" not in told

    site(steps)
