"""Books after a storm of kills: with jobs that complete, fail, are blocked and are cancelled, paid by a plan and by packs."""

import itertools
import random
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from faults.test_storm import kill
from faults.truth import Truth
from servers.stack import PARTS, Stack
from sqlalchemy import select

from imgen.domain.job import State
from imgen.records import packs, tenants
from imgen.records.tables.jobs import jobs as job_rows
from imgen.records.tables.ledger import packs as pack_rows

KINDS = (
    {"prompt": "red coat", "model": "dear"},
    {"prompt": "brittle vase", "model": "dear"},
    {"prompt": "nude bronze woman in a niche", "model": "dear"},
    {"prompt": "blue coat", "model": "slow"},
    {"prompt": "red coat", "model": "eros"},
)
"""Requests by what is to become of them: the third is blocked, the fourth is cancelled."""
CANCELLED = 3


def answered(stack: Stack, key: str, body: dict) -> dict:
    """Sends a request until a part that is away is back."""
    deadline = time.monotonic() + 120
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


@pytest.mark.parametrize(
    ("jobs", "kills"), [(20, 5), pytest.param(250, 40, marks=pytest.mark.faults)], ids=["sample", "storm"]
)
def test_the_books_balance_after_a_storm(stack: Stack, truth: Truth, jobs: int, kills: int):
    """Every part is killed while six clients submit: each end settled its hold once, at the source that gave the credits."""
    name = f"stormy-{jobs}"
    key = stack.imgen("keys", "create", name, "--tenant", name, "--plan", "stormy")
    for pack in ("pack_20", "pack_5000"):
        stack.imgen("tenants", "grant", name, pack, "--reference", f"{pack} of {name}")

    def work(number: int) -> None:
        made = answered(stack, key, {"action": "generate"} | KINDS[number % len(KINDS)])
        if number % len(KINDS) == CANCELLED:
            answered(stack, key, {"action": "cancel", "id": made["id"]})

    rng, victims = random.Random(13), itertools.cycle(PARTS)
    with ThreadPoolExecutor(6) as clients:
        work_done = [clients.submit(work, number) for number in range(jobs)]
        for victim in itertools.islice(victims, kills):
            time.sleep(rng.uniform(0, 0.8))
            kill(stack, victim)
        for one in work_done:
            one.result()
    with truth.database.read() as connection:
        tenant = tenants.named_tenant(connection, name)
        ids = connection.execute(select(job_rows.c.id).where(job_rows.c.tenant_id == tenant.id)).scalars().all()
    assert len(ids) >= jobs  # those whose answer was lost are there as well
    truth.await_ended(ids, within_s=240)
    states = {job.state for job in truth.jobs(ids)}
    assert {State.COMPLETED, State.FAILED, State.BLOCKED, State.CANCELLED} <= states
    truth.check_books(ids)
    with truth.database.read() as connection:
        assert not any(pack.held for pack in packs.of_tenant(connection, tenant.id))
        used = select(pack_rows.c.used).where(pack_rows.c.tenant_id == tenant.id)
        assert sum(connection.execute(used).scalars()) > 0
