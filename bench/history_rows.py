"""Rows of a long history, made by the database itself: ended jobs over twenty days, with what the ledger has of them."""

import time

import msgspec
from msgspec import structs
from sqlalchemy import Connection, NullPool, create_engine, text

from bench.fixtures import Fixture
from bench.samples import outcome_of, queued_job
from imgen.domain.job import State

APART_S = 1.7
"""Time between two jobs; a million of them lie within the retention of pictures."""
FOREIGN = 4
"""One job in so many is another tenant's."""
_ROWS = 50_000
"""Rows in one statement; a server ends one that takes longer than 15 s."""
_DIALECTS = {
    "sqlite": {
        "numbers": "(WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :last) SELECT i FROM n)",
        "digits": "printf('%0{}d', i)",
        "finish": ("ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"),
        "hurry": ("PRAGMA synchronous = OFF", "PRAGMA cache_size = -400000"),
    },
    "postgresql": {
        "numbers": "(SELECT generate_series(CAST(:first AS bigint), CAST(:last AS bigint) - 1) AS i)",
        "digits": "lpad(CAST(i AS text), {}, '0')",
        "finish": ("VACUUM ANALYZE",),
        "hurry": ("SET synchronous_commit = off",),
    },
}
_STATE = "CASE i % 100 WHEN 1 THEN 'failed' WHEN 2 THEN 'blocked' WHEN 3 THEN 'cancelled' ELSE 'completed' END"


def fill(fixture: Fixture, stored: int) -> None:
    """Stores ended jobs, the latest of them just now; no commit waits for the disk meanwhile."""
    dialect = _DIALECTS[fixture.database.engine.dialect.name]
    job = queued_job(fixture.principal, queue="render.eros")
    job = structs.replace(job, state=State.COMPLETED, outcome=outcome_of(job))
    values = {
        "tenant": job.tenant_id, "key": job.counted_as, "recipe": msgspec.json.encode(job.recipe).decode(),
        "outcome": msgspec.json.encode(job.outcome).decode(), "prompt": job.recipe.prompt_parts.prompt[:300],
        "timings": '{"queue":0.4,"render":6.3}', "begin": time.time() - stored * APART_S,
    }  # fmt: skip
    numbers, at = dialect["numbers"], f":begin + i * {APART_S}"
    owner = f"CASE WHEN i % {FOREIGN} = 0 THEN 'ten_foreign' ELSE :tenant END"
    columns = {
        "id": f"'run_' || {dialect['digits'].format(22)}", "gen_id": dialect["digits"].format(20), "tenant_id": owner,
        "key_id": ":key", "surface": "'action'", "state": _STATE, "queue": "'finish'", "priority": "3", "fence": "2",
        "attempts": "1", "recipe": ":recipe", "model": "'eros'", "style": "'professional'", "character": "'aya'",
        "ruleset": "'default'", "prompt": ":prompt", "watermark_id": dialect["digits"].format(12), "master_key": "''",
        "timings": ":timings", "outcome": ":outcome", "created_at": at, "available_at": at,
        "published_at": at, "claimed_at": at, "deadline_at": f"{at} + 3600", "ended_at": f"{at} + 9",
    }  # fmt: skip
    entries = {
        "job_id": columns["id"], "tenant_id": owner, "key_id": ":key", "pictures": "1", "at": at,
    }  # fmt: skip
    engine = create_engine(fixture.database.engine.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        for statement in dialect["hurry"]:
            connection.execute(text(statement))
        for first in range(0, stored, _ROWS):
            part = values | {"first": first, "last": min(first + _ROWS, stored)}
            _insert(connection, "jobs", columns, numbers, part)
            for kind in ("hold", "charge"):
                _insert(connection, "ledger", entries | {"kind": f"'{kind}'"}, numbers, part)
        for statement in dialect["finish"]:
            connection.execute(text(statement))


def _insert(connection: Connection, table: str, columns: dict[str, str], numbers: str, values: dict) -> None:
    chosen = ", ".join(columns.values())
    statement = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {numbers} AS numbers"
    used = {name: value for name, value in values.items() if f":{name}" in statement}
    connection.execute(text(statement), used)
