"""Jobs of a queue that no worker consumes: their status says so, as far as heartbeats tell."""

import time

import pytest
from submitting import submit_repaired

from imgen.domain.capabilities import Capabilities
from imgen.domain.errors import InvalidField
from imgen.domain.request import GenerateRequest
from imgen.live import workers
from imgen.live.workers import WorkerHeartbeat
from imgen.services import jobs
from imgen.services.served_queues import ServedQueues


def beat(*queues):
    """Publishes the heartbeat of a worker."""
    now = time.time()
    return workers.publish(WorkerHeartbeat(name="w", queues=queues, pid=1, memory_bytes=1, since=now, at=now))


def test_a_job_that_no_worker_can_take_is_told(core, caller):
    """Before rendering its model's queue counts; a worker of other queues does not help."""

    async def work(opened):
        principal = caller(opened)
        job = (await submit_repaired(opened, principal, GenerateRequest(prompt="red coat"), surface="action")).job

        async def unserved():
            opened.served_queues = ServedQueues()  # as after the time for which one reading is kept
            return (await jobs.job_status(opened, principal, job.id, jobs.get_view(opened, job.id))).unserved_queue

        assert await unserved() == "render.eros"
        await opened.live.run(beat("render.other", "finish"))
        assert await unserved() == "render.eros"
        await opened.live.run(beat("render.eros", "finish"))
        assert await unserved() == ""

    core(work)


def test_heartbeats_are_read_once_for_many_polls(core):
    """Not for each poll of a full queue."""

    async def work(opened):
        await opened.live.run(beat("render.eros"))
        assert await opened.is_served("render.eros")
        await opened.live.run(workers.remove("w"))
        assert await opened.is_served("render.eros")
        opened.served_queues = ServedQueues()
        assert not await opened.is_served("render.eros")

    core(work)


def test_what_a_worker_tells_of_a_model_counts(core, caller):
    """Until a worker tells, the catalog's keys count; then fields without effect are told, and the source is not used."""

    async def work(opened):
        principal = caller(opened)
        request = GenerateRequest(prompt="red coat", guidance=5.0, image=lambda: b"never read")

        async def submitted():
            opened.served_queues = ServedQueues()
            return await submit_repaired(opened, principal, request, surface="action")

        with pytest.raises(InvalidField):
            await submitted()
        now = time.time()
        able = {"eros": Capabilities(image=False, guidance=False)}
        heartbeat = WorkerHeartbeat(name="w", queues=(), pid=1, memory_bytes=1, since=now, at=now, capabilities=able)
        await opened.live.run(workers.publish(heartbeat))
        made = await submitted()
        assert made.warnings == ("guidance", "image")
        assert made.job.recipe.diffusion.inputs == ()

    core(work)
