"""Dispatcher over a core, jobs that end, and receivers on loopback, for tests of webhooks."""

import asyncio

from factories import PLAN, add_tenant, make_job

from imgen.dispatcher import forms
from imgen.domain.errors import GenerationFailed
from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.domain.webhook import EVENTS
from imgen.outgoing.client import OutgoingClient
from imgen.records import job_transitions, jobs, ledger, webhook_log, webhooks
from imgen.services.webhooks.delivery import Sender
from imgen.services.webhooks.dispatcher import Dispatcher

TENANT = "ten_1"
SETTINGS = """
[webhooks]
allow = ["127.0.0.0/8"]
timeout_s = 2
retry_pauses_s = [0.01, 0.02]
"""
"""Three tries, on loopback."""


def make_dispatcher(core, **options):
    """A dispatcher, which is not running."""
    settings = core.settings.webhooks
    client = OutgoingClient(allow=settings.allow, timeout_s=settings.timeout_s)
    return Dispatcher(core, Sender(core, client, forms()), **options)


async def drain(core, dispatcher=None, within_s=60):
    """Dispatches until nothing waits."""
    dispatcher = dispatcher or make_dispatcher(core)
    running = asyncio.create_task(dispatcher.run())
    async with asyncio.timeout(within_s):
        while any(one.ended_at is None for one in deliveries(core)):  # noqa: ASYNC110 - SQL has no events
            await asyncio.sleep(0.05)
    dispatcher.stop()
    await running


def deliveries(core):
    """All of them, newest first."""
    with core.database.read() as connection:
        return webhook_log.page(connection, None, limit=1000).deliveries


def attempts(core, delivery):
    """Its tries."""
    with core.database.read() as connection:
        return webhook_log.attempts(connection, [delivery.id])[delivery.id]


def register(core, url, events=EVENTS, tenant_id=TENANT):
    """An endpoint."""
    return core.database.attempt(webhooks.add_endpoint, tenant_id=tenant_id, url=url, events=events)


def endpoint(core, made):
    """An endpoint as it is now."""
    with core.database.read() as connection:
        return webhooks.find_endpoint(connection, made.id)


def end_job(core, state=State.FAILED, outcome=None, **fields):
    """A job that is open for a moment, and ends."""
    made = make_job(**{"tenant_id": TENANT, **fields})

    def write(connection):
        add_tenant(connection, made.tenant_id)
        jobs.add(connection, made)
        ledger.hold(connection, made, PLAN)
        return job_transitions.end(connection, made, state, outcome or Outcome(error=str(GenerationFailed())))

    return core.database.attempt(write)
