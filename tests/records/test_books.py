"""Books: they balance after any mix of ends, and each kind of damage is found."""

import random

import pytest
from factories import make_job, make_recipe
from servers.tables import empty_tables, make_tables
from sqlalchemy import delete, insert, select, update

from imgen.domain.account import ANONYMOUS_TENANT_ID, Pack, Plan
from imgen.domain.errors import QuotaExceeded
from imgen.domain.job import FINISH_QUEUE, State
from imgen.domain.outcome import FAILED_OUTCOME, Outcome
from imgen.domain.remote_engine import parse_remote_engine
from imgen.records import books, engine_calls, job_transitions, jobs, ledger, packs, retention, tenants
from imgen.records.database import Database
from imgen.records.tables.engines import engine_months
from imgen.records.tables.jobs import jobs as job_rows
from imgen.records.tables.ledger import counters, pack_entries
from imgen.records.tables.ledger import ledger as entries
from imgen.records.tables.ledger import packs as pack_rows

NEW_YEAR = 1_767_225_600.0  # 2026-01-01
LIMITS = Plan(key="small", label="Small", credits_per_month=9)
PACK = Pack(key="pack_40", label="Forty", credits=40)


def submit(connection, **fields):
    """Adds a job and its hold."""
    job = make_job(**fields)
    jobs.add(connection, job)
    ledger.hold(connection, job, LIMITS)
    return job


def claim(connection, job, waiting):
    return job_transitions.claim(connection, job.id, waiting=waiting, lease_s=60, max_attempts=9)


def work(connection, rng, job):
    """Takes a job through some attempts to an end, or leaves it open."""
    for phase in (State.QUEUED, State.RENDERED):
        running = claim(connection, job, phase)
        while rng.random() < 0.3:
            job_transitions.put_back(connection, running)
            running = claim(connection, job, phase)
        fate = rng.choice(("open", "blocked", "failed", "cancelled", *["on"] * 6))
        if fate == "blocked":
            job_transitions.end(connection, running, State.BLOCKED, Outcome())
        elif fate == "failed":
            job_transitions.end(connection, running, State.FAILED, FAILED_OUTCOME)
        elif fate == "cancelled":
            job_transitions.cancel(connection, job.id, job.tenant_id)
        if fate != "on":
            return
        if phase is State.QUEUED:
            job_transitions.hand_on(connection, running, queue=FINISH_QUEUE, master_key="work/1.png", timings={})
    job_transitions.end(connection, running, State.COMPLETED, Outcome())


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def mixed(request, postgres_url, tmp_path_factory):
    """Books of two tenants and anonymous callers over two months, with packs, every end, open jobs and deleted ones.

    Made once: a test that damages them undoes it.
    """
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('books') / 'imgen.db'}")
        make_tables(database)
    else:
        database = Database(postgres_url)
        make_tables(database)
        empty_tables(database)
    rng = random.Random(7)

    def write(connection):
        owners = [tenants.ensure_tenant(connection, name, "small") for name in ("shop", "studio")]
        owners.append(tenants.ensure_anonymous_tenant(connection))
        for number in range(4):
            packs.grant(connection, owners[0], PACK, reference=f"inv-{number}", now=float(number))
        made = []
        for number in range(200):
            owner = rng.choice(owners)
            who = f"ip_192.0.2.{number % 3}" if owner.id == ANONYMOUS_TENANT_ID else f"key_{owner.name}_{number % 2}"
            at = NEW_YEAR + rng.choice((-86_400.5, -0.0004, 0.0, 86_399.9999, 40 * 86_400.0))
            recipe = make_recipe(credits=rng.choice((0, 1, 1, 3)))
            with_quota = connection.begin_nested()
            try:
                made.append(
                    submit(
                        connection, tenant_id=owner.id, counted_as=who, created_at=at, available_at=at, recipe=recipe
                    )
                )
                with_quota.commit()
            except QuotaExceeded:
                with_quota.rollback()
        for job in made:
            work(connection, rng, job)
        ended = (
            connection.execute(select(job_rows.c.id).where(job_rows.c.ended_at.is_not(None)).limit(20)).scalars().all()
        )
        retention.delete_jobs(connection, ended)

    database.attempt(write)
    yield database
    database.close()


def differences(database):
    with database.snapshot() as connection:
        return books.differences(connection)


def after(database, corrupt, **limit):
    """Differences after damage that is undone again; with what `corrupt` says of it."""
    with (
        database.engine.connect().execution_options(imgen_writes=True) as connection,
        connection.begin() as transaction,
    ):
        told = corrupt(connection)
        found = books.differences(connection, **limit)
        transaction.rollback()
    return found, told


def test_the_books_balance_after_a_mix_of_ends(mixed):
    """Completed, blocked, failed, cancelled, retried, open and deleted jobs, of plans and packs, near midnight too."""
    assert differences(mixed) == []
    with mixed.read() as connection:
        kinds = connection.execute(select(entries.c.kind)).scalars().all()
        assert {kinds.count(kind) > 10 for kind in ("hold", "charge", "release")} == {True}
        parts = connection.execute(select(pack_entries.c.kind)).scalars().all()
        assert set(parts) == {"hold", "charge", "release"}
        states = set(connection.execute(select(job_rows.c.state)).scalars())
        assert {State.COMPLETED, State.BLOCKED, State.FAILED, State.CANCELLED, State.RENDERING} <= states


def test_a_sum_that_is_wrong_is_found(mixed):
    """Each of a tenant, of a key and of an address, by day, by month and of open jobs; with both values."""

    def corruption(name, period, who):
        def corrupt(connection):
            query = select(counters.c.owner, counters.c[name]).where(counters.c.period == period)
            row = connection.execute(query.where(counters.c.owner.startswith(who)).order_by(counters.c.owner)).first()
            place = (counters.c.owner == row.owner) & (counters.c.period == period)
            connection.execute(update(counters).where(place).values({name: row[1] + 5}))
            return row.owner, row[1]

        return corrupt

    places = [(period, who) for period in ("2026-01-01", "2025-12") for who in ("ten_", "key_", "ip_")]
    places += [(ledger.OPEN_PERIOD, who) for who in ("ten_", "ip_")]
    for period, who in places:
        for name in books.SUMS:
            (found,), (owner, right) = after(mixed, corruption(name, period, who))
            assert (found.kind, found.subject) == ("sum", f"{owner} in {period}")
            assert (found.recorded, found.recomputed) == (f"{name} {right + 5}", f"{name} {right}")


def test_a_sum_too_many_and_one_that_is_gone_are_found(mixed):
    """A row that nobody has is as wrong as one with other figures; requests alone are no matter of the books."""
    month = (counters.c.owner == ANONYMOUS_TENANT_ID) & (counters.c.period == "2026-01")
    (found,), _ = after(mixed, lambda connection: connection.execute(delete(counters).where(month)))
    assert found.subject == f"{ANONYMOUS_TENANT_ID} in 2026-01"
    more = {"owner": "key_x", "period": ledger.OPEN_PERIOD}
    (found,), _ = after(mixed, lambda connection: connection.execute(insert(counters).values(**more, held=1)))
    assert (found.subject, found.recorded, found.recomputed) == ("key_x in open", "held 1", "held 0")
    assert after(mixed, lambda connection: connection.execute(insert(counters).values(**more, requests=1)))[0] == []


END = {"tenant_id": "t", "key_id": "k", "pictures": 1, "at": 0.0}


def damages(some):
    """Statements that damage something → kinds of the differences that tell of it."""
    its_entry, its_charge = entries.c.job_id == some["completed"], entries.c.kind == "charge"
    pack, charge = pack_rows.c.id == some["pack"], its_entry & its_charge
    return [
        (update(pack_rows).where(pack).values(used=pack_rows.c.used + 1), {"pack"}),
        (update(pack_rows).where(pack).values(credits=1), {"pack"}),
        (
            delete(pack_entries).where(pack_entries.c.job_id == some["paid"], pack_entries.c.kind == "hold"),
            {"pack", "entry"},
        ),
        (delete(entries).where(its_entry, entries.c.kind == "hold"), {"job", "entry", "sum"}),
        (delete(entries).where(charge), {"job", "sum"}),
        (update(entries).where(charge).values(kind="release"), {"job", "sum"}),
        (update(entries).where(charge).values(pictures=2), {"entry"}),
        (update(job_rows).where(job_rows.c.id == some["completed"]).values(state="failed"), {"job"}),
        (delete(job_rows).where(job_rows.c.id == some["open"]), {"entry"}),
        (insert(entries).values(job_id=some["completed"], kind="release", **END), {"entry"}),
        (insert(entries).values(job_id=some["open"], kind="charge", **END), {"job", "entry", "sum"}),
    ]


def test_damage_of_each_kind_is_found(mixed):
    """Jobs, entries and packs that do not fit each other, whatever the sums say."""
    with mixed.read() as connection:
        wanted = {
            "pack": select(pack_rows.c.id).where(pack_rows.c.used > 1),
            "paid": select(pack_entries.c.job_id),
            "completed": select(job_rows.c.id)
            .join(entries, entries.c.job_id == job_rows.c.id)
            .where(entries.c.kind == "charge", entries.c.credits > 0, entries.c.plan_credits == entries.c.credits),
            "open": select(job_rows.c.id).where(job_rows.c.ended_at.is_(None)),
        }
        some = {name: connection.execute(query).scalars().first() for name, query in wanted.items()}
    for statement, kinds in damages(some):
        found, _ = after(mixed, lambda connection, one=statement: connection.execute(one))
        assert {one.kind for one in found} == kinds, str(statement)


def test_no_more_differences_are_told_than_asked_for(mixed):
    """Of each kind, however many there are."""
    found, _ = after(mixed, lambda connection: connection.execute(delete(entries)), limit=3)
    assert [one.kind for one in found] == ["job"] * 3 + ["sum"] * 3


def test_a_month_of_an_engine_that_its_days_do_not_add_up_to(mixed):
    """Too much, or a month that is not there at all; open calls, paid ones and those given back balance."""
    engine = parse_remote_engine("cloud", {"kind": "openai"})

    def call(connection):
        made = [submit(connection, recipe=make_recipe(credits=0)) for _ in range(3)]
        running = [claim(connection, job, State.QUEUED) for job in made]
        calls = [
            engine_calls.open_call(connection, job, engine=engine, price_micros=40_000, now=NEW_YEAR + number)
            for number, job in enumerate(running)
        ]
        engine_calls.end_call(connection, calls[0].id, is_paid=True)
        engine_calls.end_call(connection, calls[1].id, is_paid=False)

    mixed.attempt(call)
    assert differences(mixed) == []
    found, _ = after(mixed, lambda connection: connection.execute(update(engine_months).values(amount_micros=90_000)))
    assert [(one.kind, one.subject, one.recorded, one.recomputed) for one in found] == [
        ("engine", "cloud in 2026-01", "spent 0.090000", "spent 0.080000")
    ]
    found, _ = after(mixed, lambda connection: connection.execute(delete(engine_months)))
    assert [(one.recorded, one.recomputed) for one in found] == [("spent 0.000000", "spent 0.080000")]
