"""Webhooks through a storm of kills, to a receiver that fails, hangs, redirects, answers 410 and 429."""

import pytest
from faults.storms import Storm
from faults.truth import Truth
from sqlalchemy import select

from imgen.domain.job import ENDED
from imgen.domain.webhook import EVENT_OF, DeliveryState
from imgen.records.tables.webhooks import webhook_deliveries
from imgen.services.webhooks.body import time_text


@pytest.mark.timeout(1200)  # the storm included
def test_each_end_is_told_once_and_nothing_else(storm: Storm, truth: Truth):
    """Every part was killed, dispatcher included: each end arrived at each address under one id, and none that did not happen."""
    receiver = storm.receiver
    assert receiver.faults == []
    ended = {job.id: job for job in truth.jobs(storm.ids)}
    with truth.database.read() as connection:
        of_storm = select(webhook_deliveries).where(webhook_deliveries.c.job_id.in_(storm.ids))
        rows = connection.execute(of_storm).all()
    wanted = {(job.id, "/all") for job in ended.values()} | {
        (job.id, "/own") for job in ended.values() if job.webhook_url
    }
    told = [(body["data"]["id"], receiver.paths[message_id]) for message_id, body in receiver.taken.items()]
    assert sorted(told) == sorted(wanted)  # each once: an end has one id for an address
    for body in receiver.taken.values():
        job = ended[body["data"]["id"]]
        assert job.state in ENDED
        assert (body["type"], body["timestamp"]) == (EVENT_OF[job.state], time_text(job.ended_at))
    assert len({body["type"] for body in receiver.taken.values()}) == 4
    assert {row.id for row in rows if row.state == DeliveryState.DELIVERED} == set(receiver.taken)
    gone = [row for row in rows if row.state != DeliveryState.DELIVERED]
    assert {row.state for row in gone} <= {DeliveryState.DEAD}
    assert all(receiver.paths.get(row.id, "/gone") == "/gone" for row in gone)
    assert "/gone" in receiver.paths.values()
    assert storm.canary.heard == []
