"""Turns of the dispatcher: claims, several dispatchers, and receivers that hold up no other."""

import asyncio
import time

import pytest
from servers.faulty_http import answer, hang, start_faulty_http
from services.webhooks.calls import (
    SETTINGS,
    deliveries,
    drain,
    end_job,
    make_dispatcher,
    register,
)

from imgen.domain.job import State
from imgen.domain.webhook import DeliveryState
from imgen.records import retention, webhook_outbox, webhooks
from imgen.records.webhook_outbox import Load


@pytest.mark.parametrize("status", [429, 502, 504])
def test_a_receiver_that_gets_too_much_is_left_alone(core, receiver, status):
    """Its other messages wait too; those of others go out."""
    receiver.script = [answer(status)]

    async def main(core):
        register(core, receiver.url, ["job.failed"])
        register(core, f"{receiver.url}/other", ["job.cancelled"])
        end_job(core)
        dispatcher = make_dispatcher(core)
        assert await dispatcher.round() == 1
        await asyncio.wait(dispatcher._running)
        end_job(core)
        assert await dispatcher.round() == 0
        end_job(core, State.CANCELLED)
        assert await dispatcher.round() == 1
        await asyncio.wait(dispatcher._running)

    core(main, SETTINGS)
    assert [request.path for request in receiver.requests] == ["/", "/other"]


def test_a_receiver_that_hangs_holds_up_no_other(core, receiver):
    """Fifty messages of it wait in fours, while another receiver's go out at once."""

    async def main(core):
        with start_faulty_http(hang) as hanging:
            register(core, hanging.url, ["job.cancelled"])
            register(core, receiver.url, ["job.failed"], tenant_id="ten_2")
            for _ in range(50):
                end_job(core, State.CANCELLED)
            for _ in range(20):
                end_job(core, tenant_id="ten_2")
            dispatcher = make_dispatcher(core)
            running = asyncio.create_task(dispatcher.run())
            async with asyncio.timeout(30):
                while len(receiver.requests) < 20:  # noqa: ASYNC110 - they are counted in threads
                    await asyncio.sleep(0.02)
            held = len(hanging.requests)
            dispatcher.stop()
            await running
            return held

    assert core(main, SETTINGS.replace("timeout_s = 2", "timeout_s = 5")) <= 8


def test_two_dispatchers_send_nothing_twice(core, receiver):
    """Each message goes out once."""

    async def main(core):
        register(core, receiver.url)
        for _ in range(60):
            end_job(core)
        await asyncio.gather(*(drain(core, make_dispatcher(core)) for _ in range(3)))

    core(main, SETTINGS)
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert len(ids) == len(set(ids)) == 60


def test_a_try_that_died_with_its_process_is_made_again(core, receiver):
    """Once its claim has run out; after the last one of these it is a dead letter without another try."""

    async def main(core):
        register(core, receiver.url)
        end_job(core)
        claim(core)
        assert await make_dispatcher(core).round() == 0
        for ahead in (100, 200, 300):
            claim(core, now=time.time() + ahead)
        (told,) = deliveries(core)
        await make_dispatcher(core)._sender.deliver(told)
        return deliveries(core)

    (told,) = core(main, SETTINGS)
    assert (told.state, told.reason) == (DeliveryState.DEAD, "The last try came to no end")
    assert receiver.requests == []


def test_a_deleted_job_is_not_told(core, receiver):
    """Its delivery is cancelled; so is one whose endpoint was removed after it was claimed."""

    async def main(core):
        made = register(core, receiver.url)
        job = end_job(core)
        core.database.attempt(retention.delete_jobs, [job.id])
        await drain(core)
        end_job(core)
        (claimed,) = claim(core)
        core.database.attempt(webhooks.delete_endpoint, made.id)
        await make_dispatcher(core)._sender.deliver(claimed)
        return deliveries(core)

    told = core(main, SETTINGS)
    assert [one.state for one in told] == [DeliveryState.CANCELLED] * 2
    assert receiver.requests == []


def claim(core, now=None):
    """A claim of a dispatcher that then dies."""
    free = Load(most=100, most_of_tenant=100, most_of_target=100, tenants={}, targets={})
    return core.database.attempt(webhook_outbox.claim, free, lease_s=30, now=now)
