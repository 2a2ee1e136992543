"""Answers that clients wait for, in SQL: who may join whom, and when nobody waits any more."""

import pytest
from factories import add_tenant
from msgspec import structs
from sqlalchemy import select

from imgen.records import awaited_answers as records
from imgen.records.awaited_answers import JOINED_S, LEFT_S, UNSETTLED_S, Asker
from imgen.records.idempotency import Made
from imgen.records.tables.answers import awaited_answers

ASKER = Asker(tenant_id="ten_1", owner="key_1", fingerprint="abc", attempt="first")
MADE = Made(ids=("run_1", "run_2"), warnings=("seed",))


def retry(attempt="again", **changes):
    return structs.replace(ASKER, attempt=attempt, **changes)


def test_a_retry_takes_over_the_wait(database):
    """It gets what the request made; the first one then leaves nothing, so the jobs are not given up."""
    with database.write() as connection:
        records.add(connection, ASKER, MADE, now=0)
        assert records.join(connection, retry(), now=20) == MADE
        records.leave(connection, "run_1", "first", now=25)
        assert records.left(connection, limit=9, now=20 + LEFT_S - 1) == []
        records.leave(connection, "run_1", "again", now=30)
        assert records.left(connection, limit=9, now=30 + LEFT_S - 1) == []
        assert records.left(connection, limit=9, now=30 + LEFT_S + 1) == ["run_1"]


@pytest.mark.parametrize("changes", [{"tenant_id": "ten_2"}, {"owner": "key_2"}, {"fingerprint": "abd"}])
def test_only_the_same_key_and_body_join(database, changes):
    """Anything else makes jobs of its own."""
    with database.write() as connection:
        records.add(connection, ASKER, MADE, now=0)
        assert records.join(connection, retry(**changes), now=1) is None


def test_a_wait_can_be_joined_for_a_quarter_of_an_hour(database):
    """It counts from the end of the wait; later the row goes."""
    with database.write() as connection:
        records.add(connection, ASKER, MADE, now=0)
        assert records.join(connection, retry(), now=JOINED_S - 1) == MADE
        assert records.join(connection, retry("later"), now=2 * JOINED_S + 1) is None
        assert records.delete_old(connection, limit=9, now=2 * JOINED_S + 1) == 0
        records.settle(connection, "run_1", now=2 * JOINED_S + 1)
        assert records.delete_old(connection, limit=9, now=2 * JOINED_S + 1) == 1


def test_what_is_not_settled_goes_after_a_day(database):
    """So that one whose jobs cannot be read does not stay for ever."""
    with database.write() as connection:
        records.add(connection, ASKER, MADE, now=0)
        assert records.delete_old(connection, limit=9, now=UNSETTLED_S) == 0
        assert records.delete_old(connection, limit=9, now=UNSETTLED_S + LEFT_S + 1) == 1


def test_equal_requests_are_joined_one_each(database):
    """First the one whose client was seen to go, then the one that was not taken over."""
    with database.write() as connection:
        records.add(connection, ASKER, MADE, now=0)
        other = Made(ids=("run_3",))
        records.add(connection, retry("second"), other, now=1)
        records.leave(connection, "run_3", "second", now=2)
        assert records.join(connection, retry("a"), now=3) == other
        assert records.join(connection, retry("b"), now=4) == MADE


def test_whoever_still_waits_keeps_the_jobs(database):
    """The renewal of any process counts, also after another request has taken over and gone."""
    with database.write() as connection:
        records.add(connection, ASKER, MADE, now=0)
        records.join_known(connection, retry(), MADE, now=5)
        records.leave(connection, "run_1", "again", now=6)
        records.renew(connection, ["run_1", "gone"], now=LEFT_S)
        assert records.left(connection, limit=9, now=2 * LEFT_S - 1) == []


def test_ended_jobs_are_settled_once_and_can_be_joined(database):
    """A request whose jobs are gone or have ended is looked at no more, until somebody joins it."""
    with database.write() as connection:
        add_tenant(connection, "ten_1")
        records.add(connection, ASKER, MADE, now=0)
        assert records.settle(connection, "run_1", now=LEFT_S - 1) == []
        assert records.left(connection, limit=9, now=LEFT_S + 1) == ["run_1"]
        assert records.settle(connection, "run_1", now=LEFT_S + 1) == []
        assert records.left(connection, limit=9, now=LEFT_S + 2) == []
        assert records.join(connection, retry(), now=LEFT_S + 3) == MADE


def test_a_delivered_answer_is_forgotten(database):
    """Nobody joins it."""
    with database.write() as connection:
        records.add(connection, ASKER, MADE, now=0)
        records.forget(connection, "run_1")
        assert records.join(connection, retry(), now=1) is None
        assert connection.execute(select(awaited_answers)).all() == []
