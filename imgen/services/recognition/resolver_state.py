"""State of the parts behind the resolver: asked anew after a moment, since anybody may ask."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Literal

import structlog
from msgspec import Struct

from imgen.domain.errors import ImgenError
from imgen.records import picture_records
from imgen.services.core import Core
from imgen.threads import OBJECTS

log = structlog.get_logger(__name__)

State = Literal["ok", "degraded", "down"]
LASTS_S = 2.0
"""Time for which a result is repeated."""
LIMIT_S = 5.0
"""Time that a part has for its answer."""
_PROBE = "manifests/none"
"""Key of no object."""


class ResolverState(Struct, frozen=True, kw_only=True):
    """Result of asking the parts."""

    state: State
    """`degraded`: manifests are found, but their stores cannot be read. `down`: nothing is found."""
    asked_at: float


class ResolverParts:
    """Database and object store of one process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = asyncio.Lock()
        self._state = ResolverState(state="down", asked_at=0.0)
        self._ends_at = float("-inf")

    async def state(self) -> ResolverState:
        """Returns the state of both, by a real question to each."""
        async with self._lock:
            if time.monotonic() > self._ends_at:
                core = self._core
                records = core.database.reading(picture_records.fingerprints, after=(0.0, ""), limit=1)
                objects = OBJECTS.run(core.objects.exists, _PROBE)
                has_records, has_objects = await asyncio.gather(
                    _answers("database", records), _answers("objects", objects)
                )
                state: State = "down" if not has_records else "ok" if has_objects else "degraded"
                self._state = ResolverState(state=state, asked_at=self._core.clock())
                self._ends_at = time.monotonic() + LASTS_S
            return self._state


async def _answers(part: str, question: Coroutine[None, None, object]) -> bool:
    """Returns whether a part answers in time."""
    try:
        async with asyncio.timeout(LIMIT_S):
            await question
    except (ImgenError, TimeoutError) as exc:
        log.warning("the resolver lacks a part", part=part, reason=str(exc) or "no answer in time")
        return False
    return True
