"""Composition root of the dispatcher: opens the parts, runs until a signal, closes them; nothing else."""

import asyncio
import signal
from collections.abc import Callable

from imgen.app import SURFACES, close_core, open_core
from imgen.outgoing.client import OutgoingClient
from imgen.services.webhooks.delivery import Forms, Sender
from imgen.services.webhooks.dispatcher import Dispatcher
from imgen.settings import Settings


def forms() -> Forms:
    """Returns the answers of all surfaces; jobs of the pages have that of the first surface."""
    made = {surface.name: surface.ended for surface in SURFACES if surface.ended is not None}
    return {"": next(iter(made.values())), **made}


async def run(settings: Settings, *, on_ready: Callable[[], None]) -> None:
    """Dispatches webhooks until SIGINT or SIGTERM; tries under way may end."""
    core = open_core(settings)
    client = OutgoingClient(allow=settings.webhooks.allow, timeout_s=settings.webhooks.timeout_s)
    dispatcher = Dispatcher(core, Sender(core, client, forms()))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, dispatcher.stop)
    try:
        on_ready()
        await dispatcher.run()
    finally:
        await close_core(core)
