"""Route that has to run beside its requests, as a mounted application with a lifespan would."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable


@runtime_checkable
class RunningRoute(Protocol):
    """Route with work of its own."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Runs while the block does."""


@contextlib.asynccontextmanager
async def running(routes: Iterable[object]) -> AsyncIterator[None]:
    """Runs those of the routes that have to, while the block does; Starlette enters no lifespan but the application's own."""
    async with contextlib.AsyncExitStack() as entered:
        for route in routes:
            if isinstance(route, RunningRoute):
                await entered.enter_async_context(route.running())
        yield
