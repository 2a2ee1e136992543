"""Logos of jobs in SQL."""

from alembic import command
from factories import make_job
from msgspec import structs
from sqlalchemy import text, update

from imgen.domain.job import State
from imgen.records import jobs, logos, schema
from imgen.records.tables.jobs import jobs as table

NOW, DAY_S = 1_800_000_000.0, 86400
BEFORE = "0008"
"""Version of the tables before logos had a column."""


def add(connection, key, *, ended_at=None, created_at=NOW - 9 * DAY_S):
    recipe = make_job().recipe
    mark = structs.replace(recipe.visible_watermark, image_key=key)
    state = State.QUEUED if ended_at is None else State.COMPLETED
    job = make_job(
        recipe=structs.replace(recipe, visible_watermark=mark), state=state, ended_at=ended_at, created_at=created_at
    )
    jobs.add(connection, job)
    return job.id


def test_a_logo_is_needed_by_an_open_or_a_recent_job(database):
    """By one that waits, however long, or began or ended within the time; other jobs only use it."""
    keys = [f"brands/ten_1/{name}" for name in ("open", "began", "ended", "old", "nobody's")]
    with database.write() as connection:
        add(connection, keys[0])
        add(connection, keys[1], ended_at=NOW - 2 * DAY_S, created_at=NOW - 0.5 * DAY_S)
        add(connection, keys[2], ended_at=NOW - 0.5 * DAY_S)
        add(connection, keys[3], ended_at=NOW - 2 * DAY_S)
        add(connection, "", ended_at=NOW)
    with database.read() as connection:
        assert logos.needed(connection, keys, since=NOW - DAY_S) == set(keys[:3])
        assert [logos.is_used(connection, key) for key in keys] == [True] * 4 + [False]
        assert not logos.is_used(connection, "")


def test_the_index_is_used(database):
    """A sweep looks keys up; it reads no history."""
    query = f"SELECT id FROM jobs WHERE logo_key IN ('a', 'b') AND {logos.HAS_LOGO}"
    with database.read() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # which wins in a small table
        plan = connection.execute(text(f"EXPLAIN {'QUERY PLAN' if database.is_sqlite else ''} {query}")).all()
    assert "ix_jobs_logo" in str(plan)


def test_an_upgrade_finds_the_logos_of_jobs_that_are_there(database):
    """They stand in the recipes; a job without one, and a recipe that nobody can read, have none."""
    with database.write() as connection:
        marked = add(connection, "brands/ten_1/abc")
        bare, broken = add(connection, ""), add(connection, "")
        connection.execute(update(table).where(table.c.id == broken).values(recipe="{"))
    with database.write() as connection:  # one of its own: events of jobs are written before the commit
        command.downgrade(schema._config(connection), BEFORE)
    schema.upgrade(database)
    with database.read() as connection:
        found = {row.id: row.logo_key for row in connection.execute(table.select())}
    assert found == {marked: "brands/ten_1/abc", bare: "", broken: ""}
