"""A storm of kills while six clients of a tenant submit, who pays by a plan and by packs and is told of each end by webhooks."""

import contextlib
import itertools
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx2
import psutil
from faults.truth import Truth, kill_group, main_of
from servers.canary import Canary, start_canary
from servers.stack import PARTS, Stack
from servers.webhook_receiver import Receiver, start_receiver
from sqlalchemy import select

from imgen.records import tenants
from imgen.records.tables.jobs import jobs as job_rows
from imgen.records.tables.webhooks import webhook_deliveries
from imgen.stack.supervisor import RESTART_WINDOW_S

KINDS = (
    {"prompt": "red coat", "model": "dear"},
    {"prompt": "brittle vase", "model": "dear"},
    {"prompt": "nude bronze woman in a niche", "model": "dear"},
    {"prompt": "blue coat", "model": "slow"},
    {"prompt": "red coat", "model": "eros"},
)
"""Requests by what is to become of them: the second fails, the third is blocked, the fourth is cancelled."""
CANCELLED = 3


@dataclass(frozen=True)
class Storm:
    """Past storm: the jobs of its tenant, all ended, and who was told of them."""

    tenant_id: str
    ids: list[str]
    receiver: Receiver
    canary: Canary


@contextlib.contextmanager
def told_storm(stack: Stack, truth: Truth, jobs: int, kills: int) -> Iterator[Storm]:
    """Kills every part in turn, the dispatcher more often, until all jobs are answered; yields once all ended and were told."""
    name = f"stormy-{jobs}"
    key = stack.imgen("keys", "create", name, "--tenant", name, "--plan", "stormy")
    for pack in ("pack_20", "pack_5000"):
        stack.imgen("tenants", "grant", name, pack, "--reference", f"{pack} of {name}")
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
        with truth.database.read() as connection:
            tenant = tenants.named_tenant(connection, name)
            of_tenant = select(job_rows.c.id).where(job_rows.c.tenant_id == tenant.id)
            ids = list(connection.execute(of_tenant).scalars())
        assert len(ids) >= jobs  # those whose answer was lost are there as well
        truth.await_ended(ids, within_s=240)
        await_sent(truth, ids)
        print(
            f"{len(ids)} jobs, {kills} kills, {len(receiver.taken)} messages in {sum(receiver.tries.values())} tries, "
            f"{time.monotonic() - started:.0f} s"
        )
        yield Storm(tenant.id, ids, receiver, canary)


def await_settled(stack: Stack) -> None:
    """Waits until the supervisor counts no part's restarts any more: storms in a row are not to look like a part that always falls."""
    for part in PARTS:
        while (lived_s := time.time() - main_of(stack, part).create_time()) < RESTART_WINDOW_S:
            time.sleep(RESTART_WINDOW_S - lived_s)


def kill(stack: Stack, part: str) -> None:
    """SIGKILL for a part with its children; one that another kill left to be started again is waited for."""
    while True:
        try:
            return kill_group(main_of(stack, part))
        except (StopIteration, ProcessLookupError, psutil.Error):
            time.sleep(0.05)


def answered(stack: Stack, key: str, body: dict) -> dict:
    """Sends a request until a part that is away is back."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            answer = stack.post(body, key=key)
        except httpx2.HTTPError:
            answer = None
        if answer is not None and answer.status_code == 200:
            return answer.json()
        assert answer is None or answer.status_code == 503, answer.text
        time.sleep(0.05)
    raise AssertionError("not answered")


def await_sent(truth: Truth, ids: list[str], within_s: float = 240) -> None:
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
