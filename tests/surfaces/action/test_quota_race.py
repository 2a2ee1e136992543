"""Quotas over HTTP: what is left is given out to the last picture and the last credit, and never beyond, on both databases."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from servers.local import start_local_api
from servers.stack import INSTANT_MODELS
from sqlalchemy import func, select

from imgen import composition
from imgen.records import packs, tenants
from imgen.records.tables.jobs import jobs
from imgen.records.tables.ledger import ledger

PARALLEL, LEFT = 200, 50
PLANS = f"""
[pictures]
label = "Pictures"
pictures_per_month = {LEFT}

[credits]
label = "Credits"
credits_per_day = {2 * LEFT}

[packs.pack_30]
label = "Thirty"
credits = 30

[bought]
label = "Bought"
credits_per_month = {2 * LEFT - 60}
"""
MODELS = """
[dear]
label = "Dear"
source = "none"
backend = "instant"
steps = { default = 4, min = 1, max = 500 }
guidance = { default = 3.5, min = 1.0, max = 12.0 }
default_style = "plain"
credits = 2
styles = { plain = { label = "Plain" } }
"""


@pytest.fixture
def api(tmp_path, clean_redis, database_url):
    """An API with plans that have fifty pictures, or credits for fifty."""
    data = tmp_path / "var"
    data.mkdir()
    (data / "plans.toml").write_text(PLANS)
    settings = f'[database]\nurl = "{database_url}"\n'
    with start_local_api(data, clean_redis, settings, models=INSTANT_MODELS + MODELS) as running:
        yield running


def race(api, key):
    """Sends all requests at once; gives how many were answered in each way."""
    body = {"action": "generate", "prompt": "vase", "model": "dear"}
    limits = httpx2.Limits(max_connections=PARALLEL)
    with (
        httpx2.Client(headers={"Authorization": f"Bearer {key}"}, limits=limits, timeout=120) as client,
        ThreadPoolExecutor(PARALLEL) as threads,
    ):
        answers = list(threads.map(lambda _: client.post(f"{api.url}/api/v2", json=body), range(PARALLEL)))
    told = [(answer.status_code, answer.json().get("error", "")) for answer in answers]
    return {answer: told.count(answer) for answer in set(told)}


def test_fifty_of_two_hundred_are_taken(api):
    """Two hundred requests at once against fifty pictures, credits of a plan, and credits of a plan and of packs."""
    for plan in ("pictures", "credits", "bought"):
        key = api.imgen("keys", "create", plan, "--tenant", plan, "--plan", plan)
        if plan == "bought":
            for reference in ("first", "second"):
                api.imgen("tenants", "grant", plan, "pack_30", "--reference", reference)
        assert race(api, key) == {(200, ""): LEFT, (429, "Quota exceeded"): PARALLEL - LEFT}, plan
    database = composition.open_database(api.settings)
    with database.read() as connection:
        for plan in ("pictures", "credits", "bought"):
            tenant = tenants.named_tenant(connection, plan)
            made = select(func.count()).select_from(jobs).where(jobs.c.tenant_id == tenant.id)
            held = select(func.count(), func.sum(ledger.c.credits)).where(ledger.c.tenant_id == tenant.id)
            assert connection.execute(made).scalar_one() == LEFT
            assert tuple(connection.execute(held).one()) == (LEFT, 2 * LEFT)
            assert packs.of_tenant(connection, tenant.id) == []
    database.close()
