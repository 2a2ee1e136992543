"""Dispatcher against real receivers: tries and their consequences."""

import asyncio
import json
import time

import openai
import pytest
from servers.faulty_http import answer, reset
from services.webhooks.calls import (
    SETTINGS,
    attempts,
    deliveries,
    drain,
    end_job,
    endpoint,
    make_dispatcher,
    register,
)
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from imgen.domain.job import State
from imgen.domain.webhook import DeliveryState
from imgen.records import webhook_log, webhook_outbox, webhooks

TAKEN = answer(204)


def test_an_end_is_delivered_and_verified(core, receiver):
    """Both libraries take body and signature of an endpoint, and of a job's own address; the data is the answer to `status`."""

    async def main(core):
        made = register(core, f"{receiver.url}/endpoint")
        job = end_job(core, webhook_url=f"{receiver.url}/own?token=1")
        await drain(core)
        own = core.database.attempt(webhooks.tenant_secrets, job.tenant_id)
        return job, {"/endpoint": made.secrets, "/own?token=1": own}

    job, secrets = core(main, SETTINGS)
    assert {request.path for request in receiver.requests} == set(secrets)
    for request in receiver.requests:
        key = secrets[request.path].current.get_secret_value()
        told = Webhook(key).verify(request.body, dict(request.headers))
        event = openai.OpenAI(api_key="none").webhooks.unwrap(request.body, dict(request.headers), secret=key)
        assert event.type == told["type"] == "job.failed"
        assert told["data"] == {
            "id": job.id,
            "status": "FAILED",
            "error": "Generation failed",
            "code": "generation_failed",
        }
        assert told["timestamp"].endswith("Z")
        assert request.headers["Content-Type"] == "application/json"


def test_a_rotating_secret_signs_twice(core, receiver):
    """The receiver verifies with the old secret or with the new one, whichever it has."""

    async def main(core):
        made = register(core, receiver.url)
        new = core.database.attempt(webhooks.rotate_endpoint, made.id)
        end_job(core)
        await drain(core)
        return made.secrets.current, new

    for secret in core(main, SETTINGS):
        (request,) = receiver.requests
        assert Webhook(secret.get_secret_value()).verify(request.body, dict(request.headers))


def test_every_try_has_the_same_id_and_its_own_time(core, receiver):
    """A receiver tells what it has seen by the id; the body is rendered anew."""
    receiver.script = [answer(500), reset]

    async def main(core):
        register(core, receiver.url)
        end_job(core)
        await drain(core)
        (told,) = deliveries(core)
        return told, attempts(core, told)

    told, tries = core(main, SETTINGS)
    assert {request.headers["webhook-id"] for request in receiver.requests} == {told.id}
    assert [one.status for one in tries] == [500, None, 204]
    assert tries[1].reason
    assert (told.state, told.attempts, told.status) == (DeliveryState.DELIVERED, 3, 204)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 500, 503])
def test_all_but_2xx_is_tried_again_until_the_last_try(core, receiver, status):
    """Then it is a dead letter, and the endpoint that took nothing is switched off, which the log tells."""
    receiver.standing = answer(status, headers={"Location": f"{receiver.url}/elsewhere"})

    async def main(core):
        made = register(core, receiver.url)
        end_job(core)
        with capture_logs() as logs:
            await drain(core)
        return deliveries(core), endpoint(core, made), [line["event"] for line in logs]

    (told,), switched, events = core(main, SETTINGS)
    assert (told.state, told.attempts, told.status) == (DeliveryState.DEAD, 3, status)
    assert {request.path for request in receiver.requests} == {"/"}
    assert not switched.enabled
    assert "3 tries" in switched.reason
    assert {"webhook given up", "webhook endpoint switched off"} <= set(events)


def test_an_endpoint_that_takes_other_messages_stays_on(core, receiver):
    """One message that it refuses for good is no reason to stop all."""
    refused = []

    def refuse_first(exchange):
        refused.append(exchange.request_read.headers["webhook-id"])
        (answer(500) if refused[-1] == refused[0] else TAKEN)(exchange)

    receiver.standing = refuse_first

    async def main(core):
        made = register(core, receiver.url)
        end_job(core)
        end_job(core)
        dispatcher = make_dispatcher(core)
        assert await dispatcher.round() == 2
        await asyncio.wait(dispatcher._running)
        await drain(core)
        return deliveries(core), endpoint(core, made)

    told, kept = core(main, SETTINGS)
    assert {one.state for one in told} == {DeliveryState.DEAD, DeliveryState.DELIVERED}
    assert kept.enabled


def test_410_ends_an_endpoint_at_once(core, receiver):
    """It is switched off, and its other messages are dead letters; those of an own address end alone."""
    receiver.standing = answer(410)

    async def main(core):
        made = register(core, f"{receiver.url}/endpoint")
        end_job(core, webhook_url=f"{receiver.url}/own")
        await drain(core)
        end_job(core, webhook_url=f"{receiver.url}/own")
        await drain(core)
        return deliveries(core), endpoint(core, made)

    told, switched = core(main, SETTINGS)
    assert {(one.state, one.attempts) for one in told} == {(DeliveryState.DEAD, 1)}
    assert sorted(request.path for request in receiver.requests) == ["/endpoint", "/own", "/own"]
    assert (switched.enabled, switched.reason) == (False, "The receiver answered 410 Gone")


def test_retry_after_is_kept(core, receiver):
    """The next try comes no earlier than the receiver asks, and not later than a day."""
    receiver.script = [answer(503, headers={"Retry-After": "90"}), answer(503, headers={"Retry-After": "9999999"})]

    async def main(core):
        register(core, receiver.url, ["job.failed"])
        end_job(core)
        await once(core)
        register(core, f"{receiver.url}/b", ["job.cancelled"])
        end_job(core, State.CANCELLED)
        await once(core)
        return [one.next_at - time.time() for one in deliveries(core)]

    second, first = core(main, SETTINGS)
    assert 60 < first <= 90
    assert 80_000 < second <= 86_400


def test_a_private_address_is_not_reached(core, receiver):
    """Without `allow` the same receiver hears nothing, and the log tells why."""

    async def main(core):
        register(core, receiver.url)
        end_job(core)
        await drain(core)
        (told,) = deliveries(core)
        return attempts(core, told)

    settings = SETTINGS.replace('allow = ["127.0.0.0/8"]', "")
    assert {one.reason for one in core(main, settings)} == {"The URL does not lead to a public address"}
    assert receiver.requests == []


def test_a_dead_letter_is_sent_again_under_its_id(core, receiver):
    """With all of its tries."""
    receiver.script = [answer(500)] * 3

    async def main(core):
        made = register(core, receiver.url)
        end_job(core)
        await drain(core)
        (dead,) = deliveries(core)
        core.database.attempt(webhooks.switch_endpoint, made.id, enabled=True)
        assert core.database.attempt(webhook_log.resend, dead.id)
        await drain(core)
        (told,) = deliveries(core)
        return told, attempts(core, told)

    told, tries = core(main, SETTINGS)
    assert told.state is DeliveryState.DELIVERED
    assert [one.status for one in tries] == [500, 500, 500, 204]
    assert {request.headers["webhook-id"] for request in receiver.requests} == {told.id}


def test_a_test_is_tried_once(core, receiver):
    """It has a type of its own, and its failure switches nothing off."""
    receiver.standing = answer(500)

    async def main(core):
        made = register(core, receiver.url)
        core.database.attempt(webhook_outbox.add_test, made)
        await drain(core)
        return deliveries(core), endpoint(core, made)

    (told,), kept = core(main, SETTINGS)
    assert (told.state, told.attempts, kept.enabled) == (DeliveryState.DEAD, 1, True)
    (request,) = receiver.requests
    assert json.loads(request.body)["type"] == "webhook.test"


def test_no_log_has_a_secret_or_an_address(core, receiver):
    """The path of an address may be a secret of its receiver."""
    receiver.script = [answer(500), reset]

    async def main(core):
        made = register(core, f"{receiver.url}/hidden-path")
        end_job(core, webhook_url=f"{receiver.url}/hidden-path?token=hidden")
        with capture_logs() as logs:
            await drain(core)
        return logs, made.secrets, core.database.attempt(webhooks.tenant_secrets, "ten_1")

    logs, made, own = core(main, SETTINGS)
    words = [one.current.get_secret_value() for one in (made, own)] + ["hidden"]
    assert len(logs) >= 3
    assert [word for word in words if word in str(logs)] == []


async def once(core):
    """One round, and its tries."""
    dispatcher = make_dispatcher(core)
    assert await dispatcher.round() == 1
    await asyncio.wait(dispatcher._running)
