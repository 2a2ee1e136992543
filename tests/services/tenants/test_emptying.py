"""Deletion of a tenant: nothing of it is left anywhere, the others keep everything, and a crash at any point changes neither."""

import pytest
from services.tenants.furnished import KEPT, furnish, objects_of, rows_with, told, traces_of
from sqlalchemy import update
from submitting import submit_repaired

from imgen.domain.errors import Unavailable
from imgen.domain.request import GenerateRequest
from imgen.records import books, tenant_deletions, tenants
from imgen.records.tables.deletions import tenant_deletions as deletion_rows
from imgen.services.tenants import closing, emptying


async def begin(core, admin, furnished):
    """Closes a tenant; returns its deletion."""
    await closing.delete_tenant(core, admin, furnished.tenant_id, typed=furnished.name)
    return deletion_of(core, furnished)


def deletion_of(core, furnished):
    with core.database.read() as connection:
        found = tenant_deletions.due(connection, tenant_id=furnished.tenant_id)
    return found[0] if found else None


def left_of(core, furnished):
    """Whatever is still there of a tenant, but for what is kept."""
    rows = rows_with(core.database, furnished.words)
    return ({name for name in rows if name not in KEPT}, objects_of(core, furnished), traces_of(core, furnished.words))


def everything_of(core, furnished):
    return (
        rows_with(core.database, furnished.words),
        objects_of(core, furnished),
        set(traces_of(core, furnished.words)),
    )


def differences(core):
    with core.database.snapshot() as connection:
        return books.differences(connection)


def test_nothing_of_a_deleted_tenant_is_left(any_core, caller, admin):
    """In no table but the books, in no folder, under no key of Redis; no prompt anywhere. The other tenant has all it had."""

    async def work(core):
        gone = await furnish(core, caller(core, "leaver"))
        other = await furnish(core, caller(core, "stayer"))
        before = everything_of(core, other)
        deletion = await begin(core, admin, gone)
        assert await emptying.empty(core, deletion)
        assert left_of(core, gone) == (set(), [], {})
        assert rows_with(core.database, [gone.prompt]) == {}
        assert everything_of(core, other) == before
        assert differences(core) == []
        (counts,) = told(core, gone.tenant_id, "deleted tenant")
        assert counts["name"] == "leaver"
        assert (counts["deleted"]["jobs"], counts["deleted"]["jobs cancelled"]) == (6, 3)
        assert counts["deleted"]["cached pictures"] == 1

    any_core(work)


def test_a_crash_at_any_point_is_gone_on_from(any_core, caller, admin):
    """The process ends after its first step, the next one after its second, and so on; at last nothing is left."""

    class Crash(BaseException):
        """End of a process."""

    async def work(core):
        gone = await furnish(core, caller(core, "leaver"))
        deletion = await begin(core, admin, gone)
        crashes = 0
        while True:
            steps = crashes
            writing, delete_many = core.database.writing, core.objects.delete_many

            def step():
                nonlocal steps
                if steps == 0:
                    raise Crash
                steps -= 1

            async def written(*args, **kwargs):
                result = await writing(*args, **kwargs)
                step()
                return result

            def deleted(keys):
                kept = delete_many(keys)
                step()
                return kept

            core.database.writing, core.objects.delete_many = written, deleted
            try:
                await emptying.empty(core, deletion)
                break
            except Crash:
                crashes += 1
            finally:
                core.database.writing, core.objects.delete_many = writing, delete_many
        return crashes, left_of(core, gone), deletion_of(core, gone).emptied_at, differences(core)

    crashes, left, emptied_at, wrong = any_core(work)
    assert crashes > 10
    assert left == (set(), [], {})
    assert emptied_at is not None
    assert wrong == []


def test_the_name_is_free_at_once_for_a_tenant_that_sees_nothing(core, caller, admin):
    """Another tenant of that name has another id, no job, and its own quota."""

    async def work(core):
        gone = await furnish(core, caller(core, "studio"))
        await begin(core, admin, gone)
        anew = caller(core, "studio")
        made = await submit_repaired(core, anew, GenerateRequest(prompt="red coat"), surface="action")
        await emptying.TenantDeleter(core).round()
        left = rows_with(core.database, [anew.tenant.id])
        return gone.tenant_id, anew.tenant.id, left_of(core, gone), made.job.id in str(left["jobs"])

    old_id, new_id, left, has_job = core(work)
    assert old_id != new_id
    assert (left, has_job) == ((set(), [], {}), True)


def test_a_part_that_fails_is_made_up_for(core, caller, admin):
    """While the object store keeps a file the tenant is not told as deleted; the pass after that has the rest."""

    async def work(core):
        gone = await furnish(core, caller(core, "leaver"))
        deletion = await begin(core, admin, gone)
        delete_many = core.objects.delete_many
        core.objects.delete_many = lambda keys: dict.fromkeys(keys, "Operation not permitted")
        first = await emptying.empty(core, deletion), deletion_of(core, gone).emptied_at
        early = await emptying.TenantDeleter(core).round()
        assert told(core, gone.tenant_id, "deleted tenant") == []
        core.objects.delete_many = delete_many
        make_due(core)
        return first, early, await emptying.TenantDeleter(core).round(), left_of(core, gone)

    assert core(work) == ((False, None), 0, 1, (set(), [], {}))


def test_without_redis_the_rest_waits_for_it(core, caller, admin):
    """Rows of jobs whose views cannot be deleted stay; files go all the same."""

    async def work(core):
        gone = await furnish(core, caller(core, "leaver"))
        deletion = await begin(core, admin, gone)
        run, core.live.run = core.live.run, unavailable
        is_clean = await emptying.empty(core, deletion)
        core.live.run = run
        files = [key for key in objects_of(core, gone) if not key.startswith("cache/")]
        return is_clean, files, await emptying.empty(core, deletion_of(core, gone)), left_of(core, gone)

    assert core(work) == (False, [], True, (set(), [], {}))


async def unavailable(_command):
    raise Unavailable


def test_passes_follow_for_a_day(core, caller, admin):
    """They take things that were written at the moment of the deletion; with the last one goes the mark."""

    async def work(core):
        gone = await furnish(core, caller(core, "leaver"))
        await begin(core, admin, gone)
        deleter, found = emptying.TenantDeleter(core), []
        for key in ("inputs", "pictures", "brands", "withheld"):
            found.append(await deleter.round())
            core.objects.put(f"{key}/{gone.tenant_id}/late", b"x", "image/jpeg")
            core.objects.put(f"work/{gone.job_ids[0]}/9.webp", b"x", "image/webp")
            assert await deleter.round() == 0
            make_due(core)
        return found, deletion_of(core, gone), objects_of(core, gone), told(core, gone.tenant_id, "deleted tenant")

    found, deletion, left, rows = core(work)
    assert found == [1, 1, 1, 1]
    assert (deletion, len(rows)) == (None, 1)
    assert len(left) == 2  # put after the last pass, a day later


def make_due(core):
    core.database.attempt(lambda connection: connection.execute(update(deletion_rows).values(next_at=0)))


@pytest.mark.parametrize("size", [1, 3])
def test_pieces_have_a_bound(core, caller, admin, monkeypatch, size):
    """No transaction deletes more rows than a piece has, and no query reads a table from its beginning to its end."""
    for name in ("JOBS_AT_ONCE", "ROWS_AT_ONCE", "FILES_AT_ONCE", "CANCELLED_AT_ONCE"):
        monkeypatch.setattr(emptying, name, size)

    async def work(core):
        gone = await furnish(core, caller(core, "leaver"), queued=5)
        deletion, most, plans = await begin(core, admin, gone), [], set()
        delete_jobs = tenant_deletions.delete_jobs
        monkeypatch.setattr(
            tenant_deletions, "delete_jobs", lambda *args: most.append(len(args[2])) or delete_jobs(*args)
        )
        watch_queries(core, plans)
        assert await emptying.empty(core, deletion)
        return most, set(plans), left_of(core, gone)

    most, plans, left = core(work)
    assert left == (set(), [], {})
    assert (max(most), sum(most)) == (size, 9)
    scans = {
        plan for plan in plans if plan.startswith("SCAN") and "CONSTANT ROW" not in plan and "subquery" not in plan
    }
    assert scans <= {
        "SCAN tenant_deletions",
        "SCAN jobs USING INDEX ix_jobs_deadlines",
    }  # the latter has open jobs alone


def watch_queries(core, plans):
    """Collects the steps of SQLite's plan of each statement."""
    from sqlalchemy import event

    @event.listens_for(core.database.engine, "before_cursor_execute")
    def explain(connection, cursor, statement, parameters, _context, executemany):
        if statement.startswith(("SELECT", "DELETE", "UPDATE")) and not executemany:
            explained = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.update(row[3] for row in explained)


def test_the_tenant_row_is_gone_at_once(core, caller, admin):
    """Whoever looks for the tenant by name or id finds none, and the anonymous one is never deleted."""

    async def work(core):
        gone = await furnish(core, caller(core, "leaver"))
        await begin(core, admin, gone)
        with core.database.read() as connection:
            return tenants.find_tenant(connection, "leaver"), tenants.find_tenant_by_id(connection, gone.tenant_id)

    assert core(work) == (None, None)
