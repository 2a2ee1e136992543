"""Idempotency keys in SQL: one attempt has a key at a time, what it made is kept for a day, a lost attempt for a minute."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import structs

from imgen.domain.errors import KeyReused, RequestInProgress
from imgen.domain.idempotency import KEPT_S, RUNNING_S, Once
from imgen.records import idempotency
from imgen.records.idempotency import Claim, KeyTaken, Made

ONCE = Once(route="/api/v2", key="k", fingerprint="f")
MADE = Made(ids=("run_a", "run_b"), warnings=("width",))
NOW = 1_800_000_000.0


def claim(once=ONCE, owner="ten_a"):
    return Claim(owner=owner, once=once, attempt=secrets.token_hex(16))


def find(database, once=ONCE, owner="ten_a", now=NOW):
    with database.read() as connection:
        return idempotency.find(connection, owner, once, now=now)


def test_what_was_made_is_found_for_a_day(database):
    """By its owner, on its route; after a day it is nothing any more."""
    with database.write() as connection:
        idempotency.finish(connection, claim(), MADE, now=NOW)
    assert find(database) == MADE
    assert find(database, now=NOW + KEPT_S - 1) == MADE
    assert find(database, now=NOW + KEPT_S + 1) is None
    assert find(database, owner="ten_b") is None
    assert find(database, structs.replace(ONCE, route="/api/v2/upload")) is None
    with pytest.raises(KeyReused):
        find(database, structs.replace(ONCE, fingerprint="other"))


def test_a_running_request_is_told_and_lost_after_a_minute(database):
    """Another attempt takes the key of one that has not ended in time; the late one then cannot finish."""
    late, next_one = claim(), claim()
    with database.write() as connection:
        idempotency.begin(connection, late, now=NOW)
    with pytest.raises(RequestInProgress) as told:
        find(database)
    assert told.value.retry_after_s == 1
    with pytest.raises(KeyReused):
        find(database, structs.replace(ONCE, fingerprint="other"))
    with pytest.raises(KeyTaken), database.write() as connection:
        idempotency.begin(connection, next_one, now=NOW + RUNNING_S - 1)
    with database.write() as connection:
        idempotency.begin(connection, next_one, now=NOW + RUNNING_S + 1)
    with pytest.raises(KeyTaken), database.write() as connection:
        idempotency.finish(connection, late, MADE, now=NOW + RUNNING_S + 2)
    with database.write() as connection:
        idempotency.finish(connection, next_one, MADE, now=NOW + RUNNING_S + 3)
    assert find(database, now=NOW + RUNNING_S + 4) == MADE


def test_a_released_key_is_free(database):
    """Only the attempt that has the key gives it back, and none what was made."""
    first = claim()
    with database.write() as connection:
        idempotency.begin(connection, first, now=NOW)
        idempotency.release(connection, claim())
    with pytest.raises(RequestInProgress):
        find(database)
    with database.write() as connection:
        idempotency.release(connection, first)
    assert find(database) is None
    with database.write() as connection:
        idempotency.finish(connection, first, MADE, now=NOW)
        idempotency.release(connection, first)
    assert find(database) == MADE


def test_of_parallel_attempts_one_finishes(database):
    """Twenty transactions at one moment: one keeps what it made, the others are told."""

    def attempt(number):
        try:
            database.attempt(idempotency.finish, claim(), Made(ids=(str(number),)), now=NOW)
        except KeyTaken:
            return None
        return str(number)

    with ThreadPoolExecutor(20) as threads:
        winners = [number for number in threads.map(attempt, range(20)) if number is not None]
    assert len(winners) == 1
    assert find(database).ids == (winners[0],)


def test_expired_keys_are_deleted_in_pieces(database):
    """Those past their time go, a piece at a time; the others stay."""
    for number in range(5):
        with database.write() as connection:
            once = structs.replace(ONCE, key=str(number))
            idempotency.finish(connection, claim(once), MADE, now=time.time() - (KEPT_S + 60) * (number < 3))
    deleted = [database.attempt(idempotency.delete_expired, limit=2) for _ in range(3)]
    assert deleted == [2, 1, 0]
    left = [find(database, structs.replace(ONCE, key=str(number)), now=None) for number in range(5)]
    assert left == [None, None, None, MADE, MADE]
