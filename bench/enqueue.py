"""Enqueueing by `generate` over HTTP, with an empty queue and with 50,000 jobs before it: row, hold, and message.

Two fixtures run side by side and take turns, so that a slow moment of the machine hits both; the figures are medians of the
turns' ratios. No worker runs. The empty fixture's queue is emptied again before each turn, rows and all.
"""

import contextlib
import statistics
from collections.abc import Iterable

import msgspec
import redis
from sqlalchemy import delete

from bench.figure import Figure
from bench.fixtures import LOAD_CORE, Fixture, Server, open_fixture, request, serve_api
from bench.load import Load, drive
from bench.samples import PROMPT, queued_job
from imgen.domain.job import Job
from imgen.live.command import PREFIX
from imgen.live.queue import Publisher
from imgen.records import jobs as job_records
from imgen.records.tables.jobs import claims, jobs
from imgen.records.tables.ledger import ledger

QUEUED = 50_000
CONNECTIONS = 8
QUEUE = "render.eros"
MOST_TIMES = 1.3
SETTINGS = 'default_plan = "unlimited"\n[jobs]\nmax_queued = 1000000\n'


def measure(*, queued: int = QUEUED, rounds: int = 7, seconds: float = 1.5) -> list[Figure]:
    """Measures the ratio of full to empty queue, by rate and by median latency."""
    with contextlib.ExitStack() as opened:
        empty, full = (opened.enter_context(open_fixture(SETTINGS)) for _ in range(2))
        _fill(full, (queued_job(full.principal, queue=QUEUE) for _ in range(queued)))
        servers: dict[str, tuple[Fixture, Server]] = {
            name: (fixture, opened.enter_context(serve_api(fixture)))
            for name, fixture in (("empty", empty), ("full", full))
        }
        loads: dict[str, list[Load]] = {name: [] for name in servers}
        body = msgspec.json.encode({"action": "generate", "prompt": PROMPT})
        for _ in range(rounds):
            _empty(empty)
            for name, (fixture, server) in servers.items():
                asked = request(fixture, "/api/v2", body)
                loads[name].append(drive(server.port, asked, connections=CONNECTIONS, seconds=seconds, core=LOAD_CORE))
    pairs = list(zip(loads["empty"], loads["full"], strict=True))
    told = "; ".join(
        f"{name} {statistics.median(load.per_s for load in taken):,.0f}/s, "
        f"p50 {statistics.median(load.p50_s for load in taken) * 1e3:.1f} ms, "
        f"p99 {statistics.median(load.p99_s for load in taken) * 1e3:.1f} ms"
        for name, taken in loads.items()
    )
    return [
        Figure(
            what=f"enqueue rate, 0 / {queued:,}",
            value=statistics.median(none.per_s / many.per_s for none, many in pairs),
            at_most=MOST_TIMES,
            detail=told,
        ),
        Figure(
            what=f"enqueue latency, {queued:,} / 0",
            value=statistics.median(many.p50_s / none.p50_s for none, many in pairs),
            at_most=MOST_TIMES,
            detail="medians",
        ),
    ]


def _fill(fixture: Fixture, waiting: Iterable[Job]) -> None:
    """Stores rows, messages and queue positions as that many submissions would."""
    publisher = Publisher(fixture.redis_url)
    with redis.Redis.from_url(fixture.redis_url) as client, fixture.database.write() as connection:
        template: bytes | None = None
        batch = client.pipeline(transaction=False)
        for job in waiting:
            job_records.add(connection, job)
            if template is None:
                publisher.publish(QUEUE, job.id, job.priority)
                (key,) = (name for name in client.keys(f"{PREFIX}broker:{QUEUE}*") if client.type(name) == b"list")
                template, first = client.lindex(key, 0), job.id.encode()
            else:
                batch.lpush(key, template.replace(first, job.id.encode()))
            batch.zadd(f"{PREFIX}waiting", {job.id: job.created_at})
            if len(batch) > 2000:
                batch.execute()
        batch.execute()
    publisher.close()


def _empty(fixture: Fixture) -> None:
    with redis.Redis.from_url(fixture.redis_url) as client:
        names = [name for kind in ("broker:render*", "waiting", "open:*") for name in client.keys(f"{PREFIX}{kind}")]
        if names:
            client.delete(*names)
    with fixture.database.write() as connection:
        for table in (ledger, claims, jobs):
            connection.execute(delete(table))
