"""Deliveries of webhooks: written with the end of a job, claimed once, settled once."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from records.webhook_rows import FREE, TENANT, end_job, load, register

from imgen.domain.job import State
from imgen.domain.webhook import Attempt, DeliveryState
from imgen.records import webhook_log, webhook_outbox, webhooks

FAILED = Attempt(at=1.0, duration_s=0.5, status=500)
TAKEN = Attempt(at=2.0, duration_s=0.5, status=204)


def deliveries(database):
    """All of them, newest first."""
    with database.read() as connection:
        return webhook_log.page(connection, None, limit=1000).deliveries


def claim(database, given=FREE, now=None):
    """One claim."""
    return database.attempt(webhook_outbox.claim, given, lease_s=30, now=now)


def settle(database, delivery, attempt=TAKEN, state=DeliveryState.DELIVERED, **more):
    """One result."""
    return database.attempt(webhook_outbox.settle, delivery, attempt, state=state, **more)


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.FAILED, "job.failed"),
        (State.TIMED_OUT, "job.failed"),
        (State.CANCELLED, "job.cancelled"),
    ],
)
def test_an_end_is_written_for_each_address_that_wants_it(database, state, event):
    """The tenant's endpoints of that event that are on, and the job's own address; each has an id of its own."""
    with database.write() as connection:
        wants = register(connection, events=[event])
        both = register(connection, url="https://hooks.example.com/b", events=["job.completed", event])
        register(connection, url="https://hooks.example.com/c", events=["job.completed"])
        off = register(connection, url="https://hooks.example.com/d")
        webhooks.switch_endpoint(connection, off.id, enabled=False)
        register(connection, tenant_id="ten_2")
        job = end_job(connection, state, webhook_url="https://own.example.com:8443/hook?a=b")
    found = deliveries(database)
    assert {one.endpoint_id for one in found} == {wants.id, both.id, ""}
    assert {(one.event, one.job_id, one.tenant_id, one.state) for one in found} == {
        (event, job.id, TENANT, DeliveryState.WAITING)
    }
    assert {one.url for one in found} == {"", "https://own.example.com:8443/hook?a=b"}
    assert f"{TENANT} https://own.example.com:8443" in {one.target for one in found}
    assert len({one.id for one in found}) == 3
    assert all(one.created_at == job.ended_at for one in found)


def test_an_end_that_is_rolled_back_is_not_told(database):
    """The delivery is part of the end's transaction."""

    def write(connection):
        register(connection)
        end_job(connection)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.attempt(write)
    assert deliveries(database) == []


def test_a_tenant_without_endpoints_writes_nothing(database):
    """Nothing but the job itself is stored."""
    with database.write() as connection:
        end_job(connection)
    assert deliveries(database) == []


def test_a_delivery_is_claimed_by_one_of_many(database):
    """Eight dispatchers claim at once: each delivery has one of them, until its lease ends."""
    with database.write() as connection:
        register(connection)
        for _ in range(20):
            end_job(connection)
    with ThreadPoolExecutor(8) as pool:
        claims = [one for found in pool.map(lambda _: claim(database), range(8)) for one in found]
    assert len(claims) == len({one.id for one in claims}) == 20
    assert {(one.attempts, one.fence) for one in claims} == {(1, 1)}
    assert claim(database) == []
    again = claim(database, now=time.time() + 60)
    assert {(one.attempts, one.fence) for one in again} == {(2, 2)}


def test_a_result_counts_with_the_latest_claim_alone(database):
    """A dispatcher that comes back after its lease changes nothing."""
    with database.write() as connection:
        register(connection)
        end_job(connection)
    (stale,) = claim(database)
    (fresh,) = claim(database, now=time.time() + 60)
    assert not settle(database, stale)
    assert settle(database, fresh)
    assert not settle(database, fresh, FAILED, DeliveryState.DEAD)
    (told,) = deliveries(database)
    assert (told.state, told.status, told.attempts) == (DeliveryState.DELIVERED, 204, 2)
    with database.read() as connection:
        assert webhook_log.attempts(connection, [told.id]) == {told.id: [TAKEN]}
        (endpoint,) = webhooks.endpoints_of(connection, [TENANT])
        assert endpoint.delivered_at == TAKEN.at


def test_limits_keep_room_for_others(database):
    """Of one endpoint, one tenant and in all: what is over a limit waits, and does not hide what is behind it."""
    with database.write() as connection:
        register(connection)
        for _ in range(250):
            end_job(connection)
        register(connection, url="https://hooks.example.com/b", events=["job.cancelled"])
        end_job(connection, State.CANCELLED)
    full = claim(database, load(most_of_target=3))
    assert len(full) == 3
    counts = {full[0].target: 3}
    second = claim(database, load(most_of_target=3, targets=counts))
    assert [one.event for one in second] == ["job.cancelled"]
    assert claim(database, load(most_of_tenant=4, tenants={TENANT: 4})) == []
    assert claim(database, load(most=3, targets=counts)) == []
    assert len(claim(database, load(most=5, targets=counts))) == 2
    paused = {one.target for one in (*full, *second)}
    with database.read() as connection:
        assert webhook_outbox.due_in_s(connection, FREE) == 0
        assert webhook_outbox.due_in_s(connection, load(paused=paused)) is None


def test_the_time_until_the_next_try_is_known(database):
    """By the database's clock, as claims are; nothing waits where all have ended."""
    with database.write() as connection:
        register(connection)
        end_job(connection)
    (claimed,) = claim(database)
    with database.read() as connection:
        assert 0 < webhook_outbox.due_in_s(connection, FREE) <= 30
    settle(database, claimed, FAILED, DeliveryState.WAITING, pause_s=3600)
    with database.read() as connection:
        assert 30 < webhook_outbox.due_in_s(connection, FREE) <= 3600
    (again,) = claim(database, now=time.time() + 7200)
    settle(database, again)
    with database.read() as connection:
        assert webhook_outbox.due_in_s(connection, FREE) is None


def test_an_endpoint_that_is_switched_off_buries_its_deliveries(database):
    """They are dead, with the reason, and can be sent again once it is on."""
    with database.write() as connection:
        endpoint = register(connection)
        end_job(connection)
        end_job(connection)
    first = claim(database, load(most=1))[0]
    assert settle(database, first, FAILED, DeliveryState.DEAD, switch_off="410 Gone")
    found = deliveries(database)
    assert [one.state for one in found] == [DeliveryState.DEAD] * 2
    with database.write() as connection:
        (off,) = webhooks.endpoints_of(connection, [TENANT])
        assert (off.enabled, off.reason) == (False, "410 Gone")
        assert webhooks.switch_endpoint(connection, endpoint.id, enabled=True)
        assert webhook_log.resend(connection, found[0].id)
        assert not webhook_log.resend(connection, found[0].id)
        assert webhook_log.resend_dead(connection, TENANT, endpoint_id=endpoint.id) == 1
    again = claim(database)
    assert {one.id for one in again} == {one.id for one in found}
    assert {one.attempts for one in again} == {1}


def test_a_removed_endpoint_cancels_its_deliveries(database):
    """They are no dead letters: there is nowhere to send them."""
    with database.write() as connection:
        endpoint = register(connection)
        end_job(connection)
        webhooks.delete_endpoint(connection, endpoint.id)
    (told,) = deliveries(database)
    assert told.state is DeliveryState.CANCELLED
    with database.write() as connection:
        assert not webhook_log.resend(connection, told.id)
    assert claim(database) == []


def test_a_try_that_could_not_be_made_counts_as_none(database):
    """It waits for its pause with the attempts it had."""
    with database.write() as connection:
        register(connection)
        end_job(connection)
    (claimed,) = claim(database)
    database.attempt(webhook_outbox.put_back, claimed, pause_s=60)
    assert claim(database) == []
    (again,) = claim(database, now=time.time() + 61)
    assert (again.attempts, again.fence) == (1, 2)


def test_old_deliveries_go_with_their_tries(database):
    """Those that ended before a time; those that wait stay."""
    with database.write() as connection:
        register(connection)
        end_job(connection)
        end_job(connection)
    first = claim(database, load(most=1))[0]
    settle(database, first)
    with database.write() as connection:
        assert webhook_log.delete_ended(connection, ended_before=time.time() - 60) == 0
        assert webhook_log.delete_ended(connection, ended_before=time.time() + 60) == 1
        assert webhook_log.attempts(connection, [first.id]) == {}
    assert [one.state for one in deliveries(database)] == [DeliveryState.WAITING]


def test_pages_of_the_log_go_on_where_the_last_one_ended(database):
    """Newest first, by tenant and state."""
    with database.write() as connection:
        register(connection)
        ids = [end_job(connection).id for _ in range(5)]
    with database.read() as connection:
        first = webhook_log.page(connection, [TENANT], limit=2)
        second = webhook_log.page(connection, [TENANT], limit=2, before=first.before)
        third = webhook_log.page(connection, None, limit=2, before=second.before)
        assert third.before == ""
        assert {one.job_id for one in (*first.deliveries, *second.deliveries, *third.deliveries)} == set(ids)
        assert webhook_log.page(connection, ["ten_2"], limit=2).deliveries == []
        assert webhook_log.page(connection, None, limit=2, state=DeliveryState.DEAD).deliveries == []
