"""Plans of the queries that run often: each reads an index in its order, so that it costs the same with a long history."""

from contextlib import contextmanager

import pytest
from factories import make_job
from sqlalchemy import event, text

from imgen.domain.job import State
from imgen.domain.user import User
from imgen.domain.webhook import DeliveryState
from imgen.records import (
    api_keys,
    audit,
    cache,
    job_makers,
    job_search,
    job_statistics,
    jobs,
    name_pages,
    reconcile,
    retention,
    tenants,
    users,
    webhook_log,
    webhooks,
)
from imgen.records.job_search import JobFilter

NOW = 1_800_000_000.0
PLACE = (NOW, "run_" + "x" * 22)
TENANTS = frozenset({"ten_1", "ten_2"})
NAMED = name_pages.NamePlace("studio", "ten_1")
ADMIN = User(id="usr_1", name="ada", role="admin", must_change_password=False)
MEMBER = User(id="usr_2", name="bob", role="member", must_change_password=False, tenant_ids=TENANTS)


def search(**wanted):
    return lambda connection: job_search.search(connection, JobFilter(**wanted), limit=24, after=PLACE)


QUERIES = {
    "average_seconds": jobs.average_seconds,
    "lost": reconcile.lost,
    "overdue": reconcile.overdue,
    "unpublished": lambda connection: reconcile.unpublished(connection, grace_s=3),
    "messages of an empty queue": lambda connection: reconcile.lost_messages(
        connection, "render.eros", queue_is_empty=True, grace_s=5
    ),
    "rendered": lambda connection: reconcile.waiting_after(connection, State.RENDERED, PLACE, limit=9),
    "queued": lambda connection: reconcile.waiting_after(connection, State.QUEUED, PLACE, limit=9),
    "old pictures": lambda connection: retention.expired(connection, ended_before=NOW, rows_too=False, after=PLACE),
    "old rows": lambda connection: retention.expired(connection, ended_before=NOW, rows_too=True, after=PLACE),
    "first page of a tenant": lambda connection: jobs.list_jobs(
        connection, "ten_1", limit=9, before=None, states=frozenset()
    ),
    "deep page of a tenant": lambda connection: jobs.list_jobs(
        connection, "ten_1", limit=9, before=PLACE, states=frozenset()
    ),
    "rare states of a tenant": lambda connection: jobs.list_jobs(
        connection, "ten_1", limit=9, before=PLACE, states=frozenset({State.FAILED, State.TIMED_OUT})
    ),
    "latest of a key": lambda connection: jobs.latest_of_key(connection, "key_1", scope=TENANTS, limit=9),
    "latest of several keys": lambda connection: jobs.latest_of_keys(connection, ["key_1", "key_2"], limit=9),
    "siblings": lambda connection: jobs.of_batch(connection, "run_" + "x" * 22),
    "performance": lambda connection: job_statistics.performance(connection, scope=TENANTS, latest=500, now=NOW),
    "gallery": search(),
    "gallery of a member": search(scope=TENANTS),
    "rare states": search(states=frozenset({State.FAILED, State.TIMED_OUT})),
    "rare states of a member": search(scope=TENANTS, states=frozenset({State.FAILED})),
    "withheld by the floor": search(review=job_search.Review.FLOOR),
    "blocked under a ruleset": search(blocked_under="strict"),
    "a key": search(key_ids=frozenset({"key_1"}), states=frozenset({State.FAILED})),
    "a model": search(model="eros", since=1.0, until=NOW + 1),
    "a character": search(character="aya", states=frozenset({State.COMPLETED})),
    "a surface": search(surface="forge", model="eros"),
    "a batch": search(batch_id="run_" + "x" * 22, scope=TENANTS, words="nothing"),
    "words": search(words="nothing", model="eros"),
    "samples": lambda connection: job_search.samples(connection, scope=TENANTS),
    "tenants by name": lambda connection: tenants.page(connection, scope=None, after=NAMED, limit=9),
    "search of tenants": lambda connection: tenants.page(connection, scope=None, prefix="Stud", limit=9),
    "tenants of a member": lambda connection: tenants.page(connection, scope=TENANTS, limit=9),
    "keys by name": lambda connection: api_keys.page(connection, scope=None, after=NAMED, limit=9),
    "search of keys": lambda connection: api_keys.page(connection, scope=None, prefix="Web", limit=9),
    "keys of a member": lambda connection: api_keys.page(connection, scope=TENANTS, prefix="Web", limit=9),
    "own keys": lambda connection: api_keys.keys_of_user(connection, ADMIN, limit=9),
    "own keys of a member": lambda connection: api_keys.keys_of_user(connection, MEMBER, limit=9),
    "users by name": lambda connection: users.page(connection, after=NAMED, limit=9),
    "search of users": lambda connection: users.page(connection, prefix="Mir", limit=9),
    "suggested makers": lambda connection: job_makers.beginning(connection, "Mir", scope=None, limit=9),
    "a key by its name": lambda connection: job_makers.named(connection, "webshop"),
    "endpoints of all": lambda connection: webhooks.endpoints_of(connection, None, limit=9),
    "messages of all": lambda connection: webhook_log.page(connection, None, limit=9),
    "dead messages of all": lambda connection: webhook_log.page(connection, None, limit=9, state=DeliveryState.DEAD),
    "audit": lambda connection: audit.page(connection, limit=9, before="aud_1"),
    "cache entries over the cap": lambda connection: cache.expired(
        connection, used_before=0, max_bytes=-1, max_entries=-1, floor_version=1
    ),
}


@contextmanager
def reading(database):
    """A connection that plans as with a long history, where reading a whole table is out of the question."""
    with database.write() as connection:
        connection.execute(job_search.jobs.delete())
        for model in ("eros", "other"):
            job = make_job(state=State.COMPLETED)
            jobs.add(connection, job)
            connection.execute(job_search.jobs.update().values(model=model, ended_at=NOW))
    with database.read() as connection:
        if not database.is_sqlite:
            for way in (
                "seqscan",
                "bitmapscan",
                "sort",
                "incremental_sort",
            ):  # a few rows would be sorted, a million not
                connection.execute(text(f"SET LOCAL enable_{way} = off"))
        yield connection


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_follows_an_index(database, name):
    """Neither a table is read as a whole nor are rows sorted, on SQLite and on PostgreSQL."""
    asked = []
    with reading(database) as connection:
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        QUERIES[name](connection)
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        plans = {
            statement: "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", values))
            for statement, values in list(asked)
        }
    assert plans
    words = ["TEMP B-TREE", "Seq Scan on jobs", "Sort  ", "Seq Scan on audit", "SCAN audit", "SCAN cache_entries\n"]
    words += [f"{scan} {table}" for scan in ("Seq Scan on", "SCAN") for table in ("tenants\n", "api_keys\n", "users\n")]
    if name != "samples":  # its first step takes the first row of an index
        words.append("SCAN jobs")
    for statement, plan in plans.items():
        if " id IN " in statement or ".id IN " in statement:
            continue  # the rows of a page that was found
        assert not [word for word in words if word in plan + "\n"], f"{statement}\n{plan}"
