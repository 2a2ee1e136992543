"""Credits: the plan's own first, then packs in the order in which they were bought; what is released goes back to its source."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from factories import make_job, make_recipe
from sqlalchemy import insert, select

from imgen.domain.account import Pack, Plan
from imgen.domain.errors import Invalid, QuotaExceeded
from imgen.domain.job import State
from imgen.domain.outcome import FAILED_OUTCOME, Outcome
from imgen.domain.principal import Kind, Principal
from imgen.records import job_transitions, jobs, ledger, packs, tenants
from imgen.records.tables.ledger import ledger as entries
from imgen.records.tables.ledger import pack_entries

NOW = 1_771_000_000.0
SMALL, LARGE = Pack(key="pack_5", label="Small", credits=5), Pack(key="pack_50", label="Large", credits=50)


def plan(**limits):
    return Plan(key="small", label="Small", **limits)


@pytest.fixture
def tenant(database):
    return database.attempt(tenants.ensure_tenant, "studio", "small")


def grant(database, tenant, pack, reference, now):
    return database.attempt(packs.grant, tenant, pack, reference=reference, now=now)[0]


def submit(database, tenant, limits, cost, now=NOW, state=State.FINISHING):
    """Inserts a job of that cost, held in the same transaction."""
    job = make_job(tenant_id=tenant.id, recipe=make_recipe(credits=cost), created_at=now, state=state)

    def write(connection):
        jobs.add(connection, job)
        ledger.hold(connection, job, limits)

    database.attempt(write)
    return job


def end(database, job, state):
    outcome = Outcome() if state is State.COMPLETED else FAILED_OUTCOME
    return database.attempt(job_transitions.end, job, state, outcome)


def left(database, tenant):
    """Credits left in each pack that is not used up, by its reference."""
    with database.read() as connection:
        return {pack.reference: pack.left for pack in packs.of_tenant(connection, tenant.id)}


def sums(database, tenant, now=NOW):
    """Credits of the tenant this month: charged, held, and those of both that the plan gives."""
    with database.read() as connection:
        count = ledger.counts(connection, [tenant.id], now=now)[tenant.id, ledger.periods(now)[1]]
    return count.credits, count.credits_held, count.plan_credits


def told(database, job):
    """Entries of the job: kind → its credits, those of the plan, and the parts of packs."""
    with database.read() as connection:
        rows = connection.execute(select(entries).where(entries.c.job_id == job.id)).all()
        parts = connection.execute(select(pack_entries).where(pack_entries.c.job_id == job.id)).all()
    return {
        row.kind: (
            row.credits,
            row.plan_credits,
            {part.pack_id: part.credits for part in parts if part.kind == row.kind},
        )
        for row in rows
    }


def test_the_plan_comes_first_then_the_oldest_pack(database, tenant):
    """One job may take of all of them; a pack that was bought later is left alone while there is an older one."""
    second, first = (grant(database, tenant, SMALL, name, at) for name, at in (("second", 2.0), ("first", 1.0)))
    limits = plan(credits_per_month=4)
    assert told(database, submit(database, tenant, limits, 3)) == {"hold": (3, 3, {})}
    assert told(database, submit(database, tenant, limits, 3)) == {"hold": (3, 1, {first.id: 2})}
    assert told(database, submit(database, tenant, limits, 5)) == {"hold": (5, 0, {first.id: 3, second.id: 2})}
    assert left(database, tenant) == {"second": 3}
    assert sums(database, tenant) == (0, 11, 4)
    with pytest.raises(QuotaExceeded):
        submit(database, tenant, limits, 4)
    assert left(database, tenant) == {"second": 3}
    submit(database, tenant, limits, 3)
    assert left(database, tenant) == {}
    assert sums(database, tenant) == (0, 14, 4)


@pytest.mark.parametrize("state", [State.FAILED, State.BLOCKED, State.CANCELLED, State.TIMED_OUT])
def test_what_is_released_goes_back_to_its_source(database, tenant, state):
    """The plan's part to the plan's month, each pack's part to that pack; and the next job may have it."""
    first, second = (grant(database, tenant, SMALL, name, at) for name, at in (("first", 1.0), ("second", 2.0)))
    limits = plan(credits_per_month=2)
    job = submit(database, tenant, limits, 8)
    end(database, job, state)
    sources = (8, 2, {first.id: 5, second.id: 1})
    assert told(database, job) == {"hold": sources, "release": sources}
    assert left(database, tenant) == {"first": 5, "second": 5}
    assert sums(database, tenant) == (0, 0, 0)
    assert told(database, submit(database, tenant, limits, 8)) == {"hold": sources}


def test_what_completes_is_charged_to_its_source(database, tenant):
    """The amounts are those of the hold; the sums say what is used and nothing is held any more."""
    pack = grant(database, tenant, SMALL, "first", 1.0)
    job = submit(database, tenant, plan(credits_per_month=2), 3)
    end(database, job, State.COMPLETED)
    assert told(database, job) == {kind: (3, 2, {pack.id: 1}) for kind in ("hold", "charge")}
    assert sums(database, tenant) == (3, 0, 2)
    with database.read() as connection:
        (known,) = packs.of_tenant(connection, tenant.id)
    assert (known.held, known.used, known.left) == (0, 1, 4)


@pytest.mark.parametrize(
    ("limits", "costs"),
    [({}, [1, 1000]), ({"credits_per_month": 2}, [0, 2, 0])],
    ids=["no limit", "a model that costs nothing"],
)
def test_packs_are_kept_while_the_plan_gives(database, tenant, limits, costs):
    """A plan without a limit takes none of them, and a model without a price needs none."""
    grant(database, tenant, SMALL, "first", 1.0)
    for cost in costs:
        submit(database, tenant, plan(**limits), cost)
    assert left(database, tenant) == {"first": 5}


def test_a_new_day_and_a_new_month_have_credits_of_their_own(database, tenant):
    """The plan's day is a limit within its month; packs stay used up."""
    limits, day = plan(credits_per_day=2, credits_per_month=3), 86_400.0
    grant(database, tenant, SMALL, "first", 1.0)
    assert told(database, submit(database, tenant, limits, 2))["hold"][1] == 2
    assert told(database, submit(database, tenant, limits, 1))["hold"][1] == 0
    assert told(database, submit(database, tenant, limits, 2, NOW + day))["hold"][1] == 1
    assert left(database, tenant) == {"first": 3}
    assert told(database, submit(database, tenant, limits, 2, NOW + 31 * day))["hold"][1] == 2


def test_a_refusal_tells_when_there_are_credits_again(database, tenant):
    """The next day where the month has some left, else the next month."""
    for limits, waits in ((plan(credits_per_day=1), 86_400), (plan(credits_per_month=1), 31 * 86_400)):
        with pytest.raises(QuotaExceeded) as refused:
            submit(database, tenant, limits, 2)
        assert 0 < refused.value.retry_after_s <= waits
    assert refused.value.retry_after_s > 86_400


def test_pictures_and_credits_are_two_limits(database, tenant):
    """Neither room makes up for the other; a pack adds no pictures."""
    grant(database, tenant, LARGE, "first", 1.0)
    limits = plan(pictures_per_month=2, credits_per_month=1)
    for _ in range(2):
        submit(database, tenant, limits, 1)
    with pytest.raises(QuotaExceeded):
        submit(database, tenant, limits, 1)
    assert left(database, tenant) == {"first": 49}


def test_a_check_refuses_what_a_hold_would(database, tenant):
    """For all jobs of a request together, packs included, and changes nothing."""
    grant(database, tenant, SMALL, "first", 1.0)
    principal = Principal(kind=Kind.API_KEY, counted_as="key_1", tenant=tenant, scopes=())
    limits = plan(credits_per_month=4)
    with database.read() as connection:
        ledger.check(connection, principal, limits, jobs=3, cost=9, now=NOW)
        with pytest.raises(QuotaExceeded):
            ledger.check(connection, principal, limits, jobs=1, cost=10, now=NOW)
    assert left(database, tenant) == {"first": 5}


def test_a_payment_counts_once(database, tenant):
    """The same grant again says the same and adds nothing; another tenant or pack for the same payment is refused."""
    other = database.attempt(tenants.ensure_tenant, "other", "small")
    first, is_new = database.attempt(packs.grant, tenant, SMALL, reference="inv-1")
    assert is_new
    with ThreadPoolExecutor(8) as threads:
        again = list(threads.map(lambda _: database.attempt(packs.grant, tenant, SMALL, reference="inv-1"), range(16)))
    assert again == [(first, False)] * 16
    for who, pack in ((other, SMALL), (tenant, LARGE)):
        with pytest.raises(Invalid, match="inv-1"):
            database.attempt(packs.grant, who, pack, reference="inv-1")
    for wrong in ("", " ", "x" * 201):
        with pytest.raises(Invalid, match="reference"):
            database.attempt(packs.grant, tenant, SMALL, reference=wrong)
    assert left(database, tenant) == {"inv-1": 5}


def test_a_job_that_an_older_version_held_ends_as_ever(database, tenant):
    """Its entry has no credits, so none are charged."""
    job = make_job(tenant_id=tenant.id, state=State.FINISHING)
    old = {"job_id": job.id, "kind": "hold", "tenant_id": tenant.id, "key_id": job.counted_as, "pictures": 1, "at": NOW}

    def write(connection):
        jobs.add(connection, job)
        connection.execute(insert(entries).values(old))

    database.attempt(write)
    end(database, job, State.COMPLETED)
    assert told(database, job) == {"hold": (0, 0, {}), "charge": (0, 0, {})}


def test_parallel_holds_take_what_there_is_and_no_more(database, tenant):
    """Plan and two packs have 50 credits; of jobs of 1, 2 and 3 credits as many are held as fit, to the last credit."""
    for name, at in (("first", 1.0), ("second", 2.0)):
        grant(database, tenant, SMALL, name, at)
    limits, held = plan(credits_per_month=40), []

    def attempt(number):
        try:
            held.append(submit(database, tenant, limits, 1 + number % 3))
        except QuotaExceeded:
            return

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(attempt, range(120)))
    assert sum(job.recipe.credits for job in held) == 50
    assert left(database, tenant) == {}
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda job: end(database, job, State.FAILED), held))
    assert left(database, tenant) == {"first": 5, "second": 5}
    assert sums(database, tenant) == (0, 0, 0)
