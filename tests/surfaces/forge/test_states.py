"""States of a job under way: loading is part of the queue, and a list tells what a poll does."""

from surfaces.forge.site import generate

from imgen.domain.ids import stored_id
from imgen.domain.job import State, view_of
from imgen.live import job_views
from imgen.records import job_transitions


def test_a_list_tells_what_a_poll_does(site):
    """`queued` until the first step, although a worker has the job, then `processing`; another process tells the same."""

    async def steps(site):
        core = site.core
        async with site.by_key(site.key()) as client:
            made = await generate(client)
            job_id = stored_id(made["job_id"])

            async def states():
                polled = (await client.get(f"/v2/jobs/{made['job_id']}")).json()["state"]
                return polled, (await client.get("/v2/jobs")).json()["jobs"][0]["state"]

            assert await states() == ("queued", "queued")
            claimed = core.database.attempt(
                job_transitions.claim, job_id, waiting=State.QUEUED, lease_s=60, max_attempts=3
            )
            await core.live.run(job_views.set_view(job_id, view_of(claimed), core.live.run_id))
            await core.live.run(job_views.start_progress(job_id, core.live.run_id))
            assert await states() == ("queued", "queued")
            core.database.attempt(job_transitions.note_first_step, claimed, limit_s=60)
            await core.live.run(job_views.set_progress(job_id, 0.25, fence=claimed.fence))
            assert await states() == ("processing", "processing")

    site(steps)
