"""Jobs that end, and claims of their deliveries, for tests of webhooks."""

from factories import PLAN, make_job
from msgspec import structs

from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.domain.webhook import EVENTS
from imgen.records import job_transitions, jobs, ledger, webhooks
from imgen.records.webhook_outbox import Load

TENANT = "ten_1"
FREE = Load(most=100, most_of_tenant=100, most_of_target=100, tenants={}, targets={})


def load(**changes) -> Load:
    """A dispatcher with room for all, but for what is given."""
    return structs.replace(FREE, **changes)


def register(connection, *, url="https://hooks.example.com/a", events=EVENTS, tenant_id=TENANT):
    """An endpoint."""
    return webhooks.add_endpoint(connection, tenant_id=tenant_id, url=url, events=events)


def end_job(connection, state=State.FAILED, **fields):
    """A job that is open for a moment, and ends."""
    job = make_job(tenant_id=TENANT, **fields)
    jobs.add(connection, job)
    ledger.hold(connection, job, PLAN)
    return job_transitions.end(connection, job, state, Outcome(error="Generation failed"))
