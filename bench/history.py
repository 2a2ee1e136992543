"""History: all that runs often, with a million jobs stored and with a few thousand, on SQLite and on PostgreSQL.

Two installations take turns, so that a slow moment of the machine hits both; figures are ratios of the medians. Services are
called within this process: over HTTP a difference would be less to see. No worker runs.
"""

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from msgspec import structs
from sqlalchemy import make_url

from bench.figure import Figure
from bench.fixtures import Fixture, open_fixture
from bench.history_rows import fill
from bench.samples import PROMPT, outcome_of, queued_job
from imgen import composition, settings
from imgen.app import close_core, open_core
from imgen.domain.job import State
from imgen.domain.request import GenerateRequest
from imgen.live import job_views
from imgen.records import job_search, job_transitions, jobs, ledger
from imgen.services import jobs as job_service
from imgen.services import retention, submit
from imgen.services.core import Core
from imgen.services.cursors import write_cursor
from imgen.services.orders import repaired_order
from imgen.services.reconcile import Reconciler
from tests.servers.postgres import find_binaries, start_postgres

JOBS, FEW = 1_000_000, 5_000
MOST_TIMES = 1.5
LEAST_SWEPT_PER_S = 40
"""Ten times the jobs of an installation that makes ten million a month."""
EXPIRED = 200
"""Jobs past their retention in each round of the sweep, with three files each."""
PAGE = 50
SETTINGS = '[database]\nurl = "{}"\n[jobs]\nmax_queued = 1000000\n'


@dataclass(kw_only=True)
class Installation:
    """Opened installation, with the places that its pages begin at."""

    core: Core
    fixture: Fixture
    job_id: str
    """Job that is polled."""
    deep: str
    """Cursor of the last page."""
    expired: int
    """Jobs past their retention in each sweep."""
    reconciler: Reconciler
    seconds: dict[str, list[float]] = field(default_factory=dict)

    async def submit(self) -> None:
        """Makes a job of a request: row, holds, message."""
        order = repaired_order(self.core, self.fixture.principal, GenerateRequest(prompt=PROMPT))
        await submit.submit(self.core, self.fixture.principal, order, surface="action")

    async def poll(self) -> None:
        """Reads the state of a job that is not in Redis."""
        await self.core.live.run(job_views.delete_view(self.job_id))
        view = job_service.get_view(self.core, self.job_id)
        await job_service.job_status(self.core, self.fixture.principal, self.job_id, view)

    async def first_page(self) -> None:
        """Lists the latest jobs of a tenant."""
        await self._page("", frozenset())

    async def deep_page(self) -> None:
        """Lists the oldest jobs of a tenant."""
        await self._page(self.deep, frozenset())

    async def rare_state(self) -> None:
        """Lists the failed jobs of a tenant."""
        await self._page("", frozenset({State.FAILED, State.TIMED_OUT}))

    async def panel(self) -> None:
        """Searches the blocked jobs of all tenants, as the panel does."""
        wanted = job_search.JobFilter(states=frozenset({State.BLOCKED}))
        await self.core.database.reading(job_search.search, wanted, limit=24)

    async def reconcile(self) -> None:
        """Runs a round of the reconciler."""
        await self.reconciler.round()

    async def sweep(self) -> None:
        """Runs a round of the sweeper over jobs past their retention."""
        assert await retention.sweep(self.core) == self.expired

    async def _page(self, cursor: str, states: frozenset[State]) -> None:
        principal = self.fixture.principal
        await job_service.list_jobs(self.core, principal, limit=PAGE, cursor=cursor, states=states)


WORKS: dict[str, Callable[[Installation], Awaitable[None]]] = {
    "submit": Installation.submit, "poll": Installation.poll, "first page": Installation.first_page,
    "deep page": Installation.deep_page, "rare state": Installation.rare_state, "blocked, panel": Installation.panel,
    "reconciler": Installation.reconcile, "sweep": Installation.sweep,
}  # fmt: skip
REPEATS = {"sweep": 1, "reconciler": 5}
"""Measurements of a turn; 10 of all others."""


def measure(*, stored: int = JOBS, few: int = FEW, turns: int = 12, expired: int = EXPIRED) -> list[Figure]:
    """Measures the ratio of much to little history, by kind of work and of database."""
    figures = _of_database("SQLite", lambda _: "", stored=stored, few=few, turns=turns, expired=expired)
    if not find_binaries():
        print("history: this machine has no PostgreSQL, so it is not measured", file=sys.stderr)
        return figures
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, start_postgres(Path(folder)) as url:
        figures += _of_database(
            "PostgreSQL", lambda name: _make_database(url, name), stored=stored, few=few, turns=turns, expired=expired
        )
    return figures


def _of_database(
    kind: str, url_of: Callable[[str], str], *, stored: int, few: int, turns: int, expired: int
) -> list[Figure]:
    with contextlib.ExitStack() as opened:
        sizes = {"little": few, "much": stored}
        little, much = (opened.enter_context(_filled(url_of(name), number)) for name, number in sizes.items())
        few_s, many_s = asyncio.run(_measured(little, much, turns, expired))
    figures = [
        Figure(
            what=f"{kind}: {name}",
            value=statistics.median(many_s[name]) / statistics.median(few_s[name]),
            at_most=MOST_TIMES,
            detail=f"{statistics.median(many_s[name]) * 1e3:.2f} ms with {stored:,} jobs, "
            f"{statistics.median(few_s[name]) * 1e3:.2f} ms with {few:,}",
        )
        for name in WORKS
    ]
    swept = expired / statistics.median(many_s["sweep"])
    return [*figures, Figure(what=f"{kind}: jobs swept", value=swept, unit="/s", at_least=LEAST_SWEPT_PER_S)]


@contextlib.contextmanager
def _filled(url: str, number: int) -> Iterator[Fixture]:
    with open_fixture(SETTINGS.format(url)) as fixture:
        fill(fixture, number)
        yield fixture


async def _measured(little: Fixture, much: Fixture, turns: int, expired: int) -> tuple[dict[str, list[float]], ...]:
    async with _opened(little, expired) as one, _opened(much, expired) as other:
        for turn in range(turns + 1):
            for installation in (one, other):
                _expire(installation.fixture, installation.core, expired)
                for name, work in WORKS.items():
                    for _ in range(REPEATS.get(name, 10)):
                        started = time.perf_counter()
                        await work(installation)
                        if turn:  # the first one warms up
                            installation.seconds.setdefault(name, []).append(time.perf_counter() - started)
        return one.seconds, other.seconds


@contextlib.asynccontextmanager
async def _opened(fixture: Fixture, expired: int) -> AsyncIterator[Installation]:
    loaded = settings.load(fixture.data)
    composition.configure_logs(loaded.logs)
    core = open_core(loaded)
    try:
        newest = await core.database.reading(
            jobs.list_jobs, fixture.principal.tenant.id, limit=1, before=None, states=frozenset()
        )
        oldest = await core.database.reading(_oldest, fixture.principal.tenant.id)
        yield Installation(
            core=core,
            fixture=fixture,
            expired=expired,
            job_id=newest[0].id,
            deep=write_cursor(*oldest),
            reconciler=Reconciler(core),
        )
    finally:
        await close_core(core)


def _oldest(connection, tenant_id: str) -> tuple[float, str]:
    """Returns the place before the oldest page of a tenant."""
    table = jobs.jobs
    query = table.select().where(table.c.tenant_id == tenant_id).order_by(table.c.created_at, table.c.id)
    row = connection.execute(query.offset(PAGE).limit(1)).first()
    return row.created_at, row.id


def _expire(fixture: Fixture, core: Core, number: int) -> None:
    """Stores jobs past the retention of pictures, with their files."""
    at = time.time() - (core.settings.jobs.keep_pictures_days + 1) * 86400
    plan = core.plan_of(fixture.principal.tenant.plan)

    def write(connection) -> None:
        for _ in range(number):
            job = structs.replace(queued_job(fixture.principal, queue="finish"), state=State.FINISHING, created_at=at)
            jobs.add(connection, job)
            ledger.hold(connection, job, plan)
            outcome = outcome_of(job)
            job_transitions.end(connection, job, State.COMPLETED, outcome, now=at)
            for image in (*outcome.images, structs.replace(outcome.images[0], key=f"{outcome.images[0].key}.c2pa")):
                path = Path(fixture.data) / "objects" / image.key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()

    fixture.database.attempt(write)


def _make_database(url: str, name: str) -> str:
    """Makes a database on the server; returns its URL."""
    parsed = make_url(url)
    with psycopg.connect(parsed.set(drivername="postgresql").render_as_string(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return parsed.set(database=name).render_as_string()
