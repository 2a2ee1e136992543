"""Dispatcher that waits: an end, a test or a message sent again wakes it, as does the time of a next try; without news it looks."""

import asyncio
import contextlib

from servers.faulty_http import answer
from services.webhooks.calls import SETTINGS, deliveries, end_job, make_dispatcher, register

from imgen.domain.user import User
from imgen.domain.webhook import DeliveryState
from imgen.live import news
from imgen.records import tenants
from imgen.services.webhooks import endpoints

NEVER_S = 3600.0
TIMES = 10
"""One that comes while the dispatcher looks at something else would be found without news; not all of these do."""
ADMIN = User(id="usr_1", name="mira", role="admin", must_change_password=False)


@contextlib.asynccontextmanager
async def dispatching(core, look_every_s):
    """A dispatcher that runs."""
    dispatcher = make_dispatcher(core, look_every_s=look_every_s)
    running = asyncio.create_task(dispatcher.run())
    try:
        yield
    finally:
        dispatcher.stop()
        await running


async def delivered(core, number):
    """Waits until so many messages are."""
    async with asyncio.timeout(30):
        while sum(one.state is DeliveryState.DELIVERED for one in deliveries(core)) < number:  # noqa: ASYNC110 - SQL has no events
            await asyncio.sleep(0.01)


def test_the_news_of_an_end_wake_it(core, receiver):
    """However rarely it looks by itself."""

    async def main(core):
        register(core, receiver.url)
        async with dispatching(core, NEVER_S):
            for number in range(1, TIMES + 1):
                job = end_job(core)
                await core.live.run(news.moved(job, core.live.run_id))
                await delivered(core, number)

    core(main, SETTINGS)
    assert len(receiver.requests) == TIMES


def test_tests_and_messages_sent_again_wake_it(core, receiver):
    """By whoever has them sent from the panel."""

    async def main(core):
        owner = core.database.attempt(tenants.ensure_tenant, "studio", "standard")
        made = register(core, receiver.url, tenant_id=owner.id)
        async with dispatching(core, NEVER_S):
            for number in range(1, TIMES):
                await endpoints.send_test(core, ADMIN, made.id)
                await delivered(core, number)
            (told, *_) = deliveries(core)
            await endpoints.resend(core, ADMIN, told.id)
            await delivered(core, TIMES - 1)

    core(main, SETTINGS)
    assert len(receiver.requests) == TIMES


def test_the_time_of_the_next_try_wakes_it(core, receiver):
    """Nobody tells of it."""
    receiver.script = [answer(500), answer(500)]

    async def main(core):
        register(core, receiver.url)
        end_job(core)
        async with dispatching(core, NEVER_S):
            await delivered(core, 1)

    core(main, SETTINGS)
    assert len(receiver.requests) == 3


def test_it_finds_what_it_is_not_told(core, receiver):
    """By its own looks, as with a lost message of Redis."""

    async def main(core):
        register(core, receiver.url)
        async with dispatching(core, 0.05):
            for number in range(1, TIMES + 1):
                end_job(core)
                await delivered(core, number)

    core(main, SETTINGS)
    assert len(receiver.requests) == TIMES
