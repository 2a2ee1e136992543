"""A part that hangs holds up the requests that need it, and no others: submits and polls beside them are quick."""

import asyncio
import contextlib
import io
import sqlite3
import threading
import time

from PIL import Image
from servers.faulty_http import hang, start_faulty_http
from servers.redis_server import start_redis
from submitting import submit_repaired

from imgen.domain.errors import Retryable
from imgen.domain.job import State
from imgen.domain.request import GenerateRequest
from imgen.live.executors import PipeliningExecutor
from imgen.live.queue import Publisher
from imgen.services import jobs as job_service
from imgen.services.publishing import STALLED_S, MessageSender
from imgen.surfaces.health import CHECK_TIMEOUT_S, LASTS_S, Readiness

QUICK_S = 1.0


async def check_quick(core, principal):
    """Of five jobs the quickest is taken and polled in less than QUICK_S: on a busy machine others may not be."""
    took = []
    for _ in range(5):
        started = time.monotonic()
        job_id = await generate(core, principal)
        assert await poll(core, principal, job_id) is State.QUEUED
        took.append(time.monotonic() - started)
    assert min(took) < QUICK_S


async def generate(core, principal, **fields):
    made = await submit_repaired(core, principal, GenerateRequest(prompt="red coat", **fields), surface="action")
    return made.job.id


async def poll(core, principal, job_id):
    status = await job_service.job_status(core, principal, job_id, job_service.get_view(core, job_id))
    return status.view.state


def read_logo() -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


def test_a_hanging_object_store_holds_up_logos_alone(core, caller):
    """Twenty requests with a logo wait for a bucket that never answers; jobs without one are taken and polled at once."""
    asked = threading.Event()

    def hang_and_tell(exchange):
        asked.set()
        hang(exchange)

    with start_faulty_http(hang_and_tell) as bucket:
        settings = (
            f'[objects]\nstore = "s3"\n[objects.s3]\nendpoint_url = "{bucket.url}"\nbucket = "b"\naccess_key_id = "a"\n'
        )

        async def work(opened):
            principal = caller(opened)
            waiting = [asyncio.ensure_future(generate(opened, principal, wm_image=read_logo)) for _ in range(20)]
            assert await asyncio.to_thread(asked.wait, 10)
            await check_quick(opened, principal)
            bucket.closing.set()
            for outcome in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(outcome, Retryable)

        core(work, settings + 'secret_access_key = "s"\nregion = "r"\n')


def test_a_hanging_broker_holds_up_no_submit(core, caller, tmp_path):
    """Messages wait for a broker that never answers, for a while; then jobs are taken at once and left to the reconciler."""
    with start_redis(tmp_path) as broker:

        async def work(opened):
            principal = caller(opened)
            opened.publisher = Publisher(broker.url)
            opened.messages = MessageSender(opened.publisher)
            broker.freeze()
            first = [asyncio.ensure_future(generate(opened, principal)) for _ in range(4)]
            await asyncio.sleep(STALLED_S + 1)
            await check_quick(opened, principal)
            broker.thaw()
            assert len(set(await asyncio.gather(*first))) == 4
            opened.publisher.close()

        core(work)


def test_readiness_is_told_in_time(core, tmp_path):
    """A database that another process keeps locked and a Redis that hangs: both are named within the limit, others are ok."""
    with start_redis(tmp_path) as hung:

        async def work(opened):
            readiness = Readiness(opened)
            assert set((await readiness.states()).values()) == {"ok"}
            own, opened.live = opened.live, PipeliningExecutor(hung.url, timeout_s=0.3)
            hung.freeze()
            await asyncio.sleep(LASTS_S)
            with contextlib.closing(sqlite3.connect(opened.settings.data_dir / "imgen.db")) as other:
                other.execute("BEGIN IMMEDIATE")
                started = time.monotonic()
                states = await readiness.states()
                assert time.monotonic() - started < CHECK_TIMEOUT_S + 10
            assert states == {"database": "unavailable", "redis": "unavailable", "objects": "ok"}
            hung.thaw()
            await opened.live.close()
            opened.live = own
            await asyncio.sleep(LASTS_S)
            assert set((await readiness.states()).values()) == {"ok"}

        core(work)
