"""Engines in the panel: state, spending against the cap, the table of what was spent, also as CSV; warnings in the overview."""

import asyncio
import csv
import io
import os
import re
import time

import pytest
from factories import PLAN, add_tenant, make_job
from playwright.sync_api import expect
from servers.panel import open_panel
from surfaces.web.conftest import enter, violations

from imgen import configuration
from imgen.domain.job import State
from imgen.domain.remote_engine import EngineState, parse_remote_engine
from imgen.live import workers
from imgen.live.workers import WorkerHeartbeat
from imgen.records import engine_calls, job_transitions, jobs, ledger
from imgen.records.database import Database
from imgen.records.tables.engines import engine_months, engine_spending
from imgen.surfaces.web.engines import Engines
from imgen.surfaces.web.overview import Overview

NOVEMBER_21 = 1_795_219_200.0
ENGINES = """
[cloud]
kind = "openai"
api_key_env = "CLOUD_KEY"
price = 0.04
monthly_cap = 50
[cluster]
kind = "comfyui"
base_url = "http://10.0.0.5:8188"
"""
MODEL = """
[far]
label = "Far"
backend = "remote"
engines = [{ engine = "cloud", model = "m" }]
steps = { default = 4 }
guidance = { default = 3.5 }
default_style = "plain"
styles = { plain = { label = "Plain" } }
"""
REFUSED = EngineState(reason="cloud refuses the key (CLOUD_KEY)", code="remote_key_refused", since=1.0, until=2.0)


def call(connection, *, engine="cloud", at=None, tenant="ten_1", name="=shop", price=40_000):
    """Books a call of a job of this tenant."""
    add_tenant(connection, tenant, name=name)
    job = make_job(tenant_id=tenant)
    jobs.add(connection, job)
    ledger.hold(connection, job, PLAN)
    job = job_transitions.claim(connection, job.id, waiting=State.QUEUED, lease_s=60, max_attempts=9)
    remote = parse_remote_engine(engine, {"kind": "openai"})
    engine_calls.open_call(connection, job, engine=remote, price_micros=price, now=at)


def heartbeat(**engines):
    now = time.time()
    return workers.publish(
        WorkerHeartbeat(
            name="render@a #1", queues=("render.far",), pid=1, memory_bytes=1, engines=engines, since=now, at=now
        )
    )


@pytest.fixture
def panel(core):
    """Runs a test of the pages in process; the configuration has two engines, one of them with a model."""

    def run(work, **user):
        async def prepared(opened):
            (opened.settings.data_dir / "engines.toml").write_text(ENGINES)
            async with open_panel(opened, [Engines, Overview], **user) as browser:
                return await work(opened, browser)

        return core(prepared)

    return run


async def shown(browser, path="/panel/engines"):
    """The page's text without its tags."""
    answer = await browser.get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text.partition("<h1>")[2]))


def test_engines_have_kind_host_state_and_spending(panel):
    """Against the cap, where there is one; a model that names none of them is told."""

    async def work(core, browser):
        core.database.attempt(call)
        text = await shown(browser)
        assert "cloud openai api.openai.com none no model names it 0.04 50.00" in text
        assert "cluster comfyui 10.0.0.5:8188 none no model names it 0.00 none" in text

    panel(work)


def test_spending_is_shown_from_one_day_to_another(panel):
    """Both are included; by engine, and by day, model and tenant with their sums. A deleted tenant is told by its id."""

    async def work(core, browser):
        def write(connection):
            call(connection, at=NOVEMBER_21)
            call(connection, at=NOVEMBER_21)
            call(connection, at=NOVEMBER_21 - 86_400, engine="cluster", price=0)
            call(connection, at=NOVEMBER_21 + 86_400, price=7_000_000)
            connection.execute(
                engine_spending.insert().values(
                    engine="cloud",
                    model="eros",
                    tenant_id="ten_gone",
                    day="2026-11-20",
                    calls=1,
                    amount_micros=2_500_000,
                )
            )

        core.database.attempt(write)
        text = await shown(browser, "/panel/engines?since=2026-11-20&until=2026-11-21")
        assert "cloud 3 2.58 cluster 1 0.00 All 4 2.58" in text
        assert "2026-11-21 cloud eros =shop 2 0.08 2026-11-20 cloud eros ten_gone 1 2.50" in text
        assert "7.00" not in text.partition("Spending")[2]
        nothing = await shown(browser, "/panel/engines?since=2026-10-01&until=2026-10-31")
        assert "Nothing was drawn elsewhere from 2026-10-01 to 2026-10-31." in nothing

    panel(work)


def test_the_file_holds_no_formula(panel):
    """Tenants choose their names: one that begins like a formula has an apostrophe before it."""

    async def work(core, browser):
        core.database.attempt(call, at=NOVEMBER_21)
        answer = await browser.get("/panel/engines.csv?since=2026-11-21&until=2026-11-21")
        assert answer.headers["content-type"].startswith("text/csv")
        assert 'filename="engines-2026-11-21-2026-11-21.csv"' in answer.headers["content-disposition"]
        assert list(csv.reader(io.StringIO(answer.text))) == [
            ["day", "engine", "model", "tenant", "calls", "amount"],
            ["2026-11-21", "cloud", "eros", "'=shop", "1", "0.04"],
        ]

    panel(work)


@pytest.mark.parametrize("days", ["since=21.11.2026", "until=2026-11-31", "since=2026-11-22&until=2026-11-21"])
def test_wrong_days_are_refused(panel, days):
    """On the page and of the file."""

    async def work(_core, browser):
        answers = await asyncio.gather(*(browser.get(f"/panel/engines{end}?{days}") for end in ("", ".csv")))
        assert [one.status_code for one in answers] == [400, 400]

    panel(work)


def test_members_see_no_engines(panel):
    """Neither page nor file, nor the warning in the overview."""

    async def work(core, browser):
        (core.settings.data_dir / "engines.toml").write_text("[cloud]\nkind = 'nonsense'\n")
        answers = [await browser.get(path) for path in ("/panel/engines", "/panel/engines.csv")]
        assert [one.status_code for one in answers] == [403, 403]
        assert "nonsense" not in (await browser.get("/panel")).text

    panel(work, role="member")


def test_a_wrong_file_is_told_and_the_spending_is_shown(panel):
    """On the page and in the overview."""

    async def work(core, browser):
        (core.settings.data_dir / "engines.toml").write_text("[cloud]\nkind = 'nonsense'\n")
        core.database.attempt(call, at=NOVEMBER_21)
        text = await shown(browser, "/panel/engines?since=2026-11-21&until=2026-11-21")
        assert "engines.toml" in text
        assert "nonsense" in text
        assert "cloud 1 0.04" in text
        assert "nonsense" in (await browser.get("/panel")).text

    panel(work)


def test_a_refused_key_is_told_until_the_engine_takes_one(panel):
    """On the page and in the overview, though its pause is over; then it is available."""

    async def work(core, browser):
        (core.settings.data_dir / "models.toml").write_text(MODEL)
        core.reconfigure(configuration.load(core.settings))
        await core.live.run(heartbeat(cloud=REFUSED))
        assert "far away cloud refuses the key (CLOUD_KEY) 0.00" in await shown(browser)
        assert "Engine cloud: cloud refuses the key (CLOUD_KEY)" in await shown(browser, "/panel")
        await core.live.run(heartbeat(cloud=EngineState()))
        assert "far available 0.00" in await shown(browser)
        assert "Engine cloud" not in await shown(browser, "/panel")

    panel(work)


@pytest.fixture
def spent(web):
    """The stack with two engines, one of them over its cap, and spending of a tenant."""
    (web.data / "engines.toml").write_text(ENGINES)
    database = Database(f"sqlite:///{web.data / 'imgen.db'}")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    row = {"model": "eros", "tenant_id": "ten_far", "day": today}
    with database.write() as connection:
        connection.execute(
            engine_spending.insert(),
            [
                row | {"engine": "cloud", "calls": 1249, "amount_micros": 49_960_001},
                row | {"engine": "cluster", "calls": 12, "amount_micros": 0},
            ],
        )
        connection.execute(engine_months.insert().values(engine="cloud", month=today[:7], amount_micros=49_960_001))
    yield
    (web.data / "engines.toml").unlink()
    with database.write() as connection:
        for table in (engine_spending, engine_months):
            connection.execute(table.delete())
    database.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_for_every_reader(spent, open_page, scheme):
    """In light and dark, on a desk and on a phone: no fault against WCAG, and the main columns are there."""
    page = enter(open_page(color_scheme=scheme), path="/panel/engines")
    row = page.get_by_role("region", name="Engines").get_by_role("row").filter(has_text="cloud")
    expect(row).to_contain_text(re.compile(r"over its cap: off until 1 \w+"))
    expect(row).to_contain_text("49.960001")
    expect(page.get_by_role("region", name="Spending by engine")).to_contain_text("1,261")
    assert violations(page) == ""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/engines-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(row.get_by_role("cell", name="49.960001")).to_be_visible()
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/phone-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto("/panel")
    expect(page.get_by_role("alert").filter(has_text="Engine cloud: over its cap")).to_be_visible()
