"""Locks between processes."""

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
