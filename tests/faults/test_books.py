"""Books after a storm of kills: with jobs that complete, fail, are blocked and are cancelled, paid by a plan and by packs."""

import pytest
from faults.storms import Storm
from faults.truth import Truth
from sqlalchemy import select

from imgen.domain.job import State
from imgen.records import packs
from imgen.records.tables.ledger import packs as pack_rows


@pytest.mark.timeout(1200)  # the storm included
def test_the_books_balance_after_a_storm(storm: Storm, truth: Truth):
    """Every part was killed while six clients submitted: each end settled its hold once, at the source that gave the credits."""
    states = {job.state for job in truth.jobs(storm.ids)}
    assert {State.COMPLETED, State.FAILED, State.BLOCKED, State.CANCELLED} <= states
    truth.check_books(storm.ids)
    with truth.database.read() as connection:
        assert not any(pack.held for pack in packs.of_tenant(connection, storm.tenant_id))
        used = select(pack_rows.c.used).where(pack_rows.c.tenant_id == storm.tenant_id)
        assert sum(connection.execute(used).scalars()) > 0
