"""Locks between processes."""

import time

from imgen.records import locks

NOW = 1_800_000_000.0


def test_one_process_leads_at_a_time(database):
    """A lock held by one owner is refused to another until it runs out or is released."""

    def lead(owner, now):
        with database.write() as connection:
            return locks.acquire(connection, "x", owner, for_s=10, now=now)

    assert lead("a", NOW)
    assert not lead("b", NOW + 5)
    assert lead("a", NOW + 6)
    assert not lead("b", NOW + 15)
    assert lead("b", NOW + 17)
    with database.write() as connection:
        locks.release(connection, "x", "b")
    assert lead("a", NOW + 18)


def test_a_host_whose_clock_is_ahead_steals_no_lock(database, monkeypatch):
    """Locks end by the database's clock, whatever the hosts' own clocks say."""
    assert database.attempt(locks.acquire, "x", "a", for_s=10)
    ahead = time.time() + 20
    monkeypatch.setattr(time, "time", lambda: ahead)
    assert not database.attempt(locks.acquire, "x", "b", for_s=10)
    assert database.attempt(locks.acquire, "x", "a", for_s=10)
