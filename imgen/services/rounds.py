"""Rounds of a background task, for ever: an error ends one round, never the task."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from imgen.domain.errors import ImgenError

log = structlog.get_logger(__name__)


async def repeat(name: str, one_round: Callable[[], Awaitable[object]], *, pause_s: float) -> None:
    """Runs rounds until cancelled, with a pause after each."""
    while True:
        try:
            await one_round()
        except ImgenError as exc:
            log.warning("a round failed", task=name, reason=str(exc))
        except Exception:  # an unforeseen error must not end the task
            log.exception("a round failed unexpectedly", task=name)
        await asyncio.sleep(pause_s)
