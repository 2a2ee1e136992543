"""Webhooks through a storm of kills, to a receiver that fails, hangs, redirects, answers 410 and 429."""

import itertools
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from faults.test_books import CANCELLED, KINDS, answered
from faults.test_storm import kill
from faults.truth import Truth
from servers.canary import start_canary
from servers.stack import PARTS, Stack
from servers.webhook_receiver import start_receiver
from sqlalchemy import select

from imgen.domain.job import ENDED
from imgen.domain.webhook import EVENT_OF, DeliveryState
from imgen.records import tenants
from imgen.records.tables.jobs import jobs as job_rows
from imgen.records.tables.webhooks import webhook_deliveries
from imgen.services.webhooks.body import time_text


@pytest.mark.parametrize(
    ("jobs", "kills"), [(15, 6), pytest.param(250, 40, marks=pytest.mark.faults)], ids=["sample", "storm"]
)
def test_each_end_is_told_once_and_nothing_else(stack: Stack, truth: Truth, jobs: int, kills: int):
    """Every part is killed, dispatcher included: each end arrives at each address under one id, and none that did not happen."""
    name = f"told-{jobs}"
    key = stack.imgen("keys", "create", name, "--tenant", name, "--plan", "unlimited")
    with start_canary() as canary, start_receiver(f"http://127.0.0.1:{canary.port}/") as (receiver, server):
        receiver.own_secret = stack.imgen("webhooks", "secret", name)
        receiver.secret = stack.imgen("webhooks", "add", name, f"{server.url}/all")
        stack.imgen("webhooks", "add", name, f"{server.url}/gone")

        def work(number: int) -> None:
            own = {"webhook_url": f"{server.url}/own"} if number % 2 else {}
            made = answered(stack, key, {"action": "generate"} | KINDS[number % len(KINDS)] | own)
            if number % len(KINDS) == CANCELLED:
                answered(stack, key, {"action": "cancel", "id": made["id"]})

        rng, victims = random.Random(17), itertools.cycle(("dispatcher", *PARTS))
        started = time.monotonic()
        with ThreadPoolExecutor(6) as clients:
            work_done = [clients.submit(work, number) for number in range(jobs)]
            for victim in itertools.islice(victims, kills):
                time.sleep(rng.uniform(0, 0.8))
                kill(stack, victim)
            for one in work_done:
                one.result()
        ids = job_ids(truth, name)
        truth.await_ended(ids, within_s=240)
        await_sent(truth, ids)
        took = time.monotonic() - started
        check(truth, ids, receiver)
        assert canary.heard == []
    print(
        f"{len(ids)} jobs, {kills} kills, {len(receiver.taken)} messages in {sum(receiver.tries.values())} tries, {took:.0f} s"
    )


def check(truth: Truth, ids, receiver) -> None:
    """Compares what was received with the jobs."""
    assert receiver.faults == []
    ended = {job.id: job for job in truth.jobs(ids)}
    with truth.database.read() as connection:
        rows = connection.execute(select(webhook_deliveries).where(webhook_deliveries.c.job_id.in_(ids))).all()
    wanted = {(job.id, "/all") for job in ended.values()} | {
        (job.id, "/own") for job in ended.values() if job.webhook_url
    }
    told = [(body["data"]["id"], receiver.paths[message_id]) for message_id, body in receiver.taken.items()]
    assert sorted(told) == sorted(wanted)  # each once: an end has one id for an address
    for body in receiver.taken.values():
        job = ended[body["data"]["id"]]
        assert job.state in ENDED
        assert (body["type"], body["timestamp"]) == (EVENT_OF[job.state], time_text(job.ended_at))
    assert len({body["type"] for body in receiver.taken.values()}) == 4
    assert {row.id for row in rows if row.state == DeliveryState.DELIVERED} == set(receiver.taken)
    gone = [row for row in rows if row.state != DeliveryState.DELIVERED]
    assert {row.state for row in gone} <= {DeliveryState.DEAD}
    assert all(receiver.paths.get(row.id, "/gone") == "/gone" for row in gone)
    assert "/gone" in receiver.paths.values()


def job_ids(truth: Truth, name: str) -> list[str]:
    """Ids of all jobs of the tenant, those whose answer was lost as well."""
    with truth.database.read() as connection:
        tenant = tenants.named_tenant(connection, name)
        return list(connection.execute(select(job_rows.c.id).where(job_rows.c.tenant_id == tenant.id)).scalars())


def await_sent(truth: Truth, ids, within_s: float = 240) -> None:
    """Waits until nothing of these jobs waits to be sent."""
    row = webhook_deliveries.c
    waiting = select(row.id, row.attempts, row.status, row.reason).where(row.job_id.in_(ids), row.ended_at.is_(None))
    deadline = time.monotonic() + within_s
    while True:
        with truth.database.read() as connection:
            left = connection.execute(waiting).all()
        if not left:
            return
        assert time.monotonic() < deadline, f"{len(left)} wait: {left[:5]}"
        time.sleep(0.2)
