"""Health checks without a key: `/healthz` (the process runs) and `/readyz` (it can accept a job now)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

import structlog
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from imgen import __version__
from imgen.asgi.endpoint import json_response
from imgen.domain.errors import DatabaseFull, ImgenError, ObjectStoreFull, RedisFull
from imgen.live import waiting
from imgen.objects import ServedStore
from imgen.records import locks
from imgen.records.database import Database
from imgen.services.core import Core
from imgen.surfaces.description import REF, Description, json_content, schemas_of
from imgen.surfaces.surface import Surface
from imgen.threads import READINESS

log = structlog.get_logger(__name__)

PartState = Literal["ok", "full", "unavailable"]
CHECK_TIMEOUT_S = 3.0
FULL = (DatabaseFull, ObjectStoreFull, RedisFull)
LASTS_S = 0.25
"""Time for which an answer is repeated: each check writes, and anybody may ask."""


class Alive(Struct, frozen=True, kw_only=True):
    """Process that runs."""

    status: Literal["ok"]
    version: str


class Ready(Struct, frozen=True, kw_only=True):
    """Readiness to accept a job now."""

    status: Literal["ok", "unavailable"]
    parts: Annotated[
        dict[str, PartState],
        Meta(
            description="State of `database`, `redis` and, if the API serves the pictures, `objects`. `full`: its disk or memory "
            "is full."
        ),
    ]


class Readiness:
    """Checks of the parts, each by a small write and within a time limit."""

    def __init__(self, core: Core) -> None:
        self._checks: dict[str, Callable[[], Awaitable[object]]] = {
            "database": lambda: READINESS.run(_write, core.database),
            "redis": lambda: core.live.run(waiting.check_room()),
        }
        if isinstance(core.objects, ServedStore):
            self._checks["objects"] = lambda: READINESS.run(core.objects.check)
        self._lock = asyncio.Lock()
        self._states: Mapping[str, PartState] = {}
        self._checked_at = float("-inf")

    async def states(self) -> Mapping[str, PartState]:
        """Returns the states of all parts, by name."""
        async with self._lock:
            if time.monotonic() - self._checked_at > LASTS_S:
                found = await asyncio.gather(*(_state(name, check) for name, check in self._checks.items()))
                self._states = dict(zip(self._checks, found, strict=True))
                self._checked_at = time.monotonic()
            return self._states


async def _state(name: str, check: Callable[[], Awaitable[object]]) -> PartState:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except (ImgenError, TimeoutError) as exc:
        log.warning("not ready", part=name, reason=str(exc) or "no answer in time")
        return "full" if isinstance(exc, FULL) else "unavailable"
    return "ok"


def _write(database: Database) -> None:
    with database.write() as connection:
        locks.probe(connection)


def routes(core: Core) -> list[Route]:
    """Returns both routes; their answers hold states only."""
    readiness = Readiness(core)

    async def alive(_request: Request) -> Response:
        return json_response(Alive(status="ok", version=__version__))

    async def ready(_request: Request) -> Response:
        states = dict(await readiness.states())
        is_ready = all(state == "ok" for state in states.values())
        return json_response(Ready(status="ok" if is_ready else "unavailable", parts=states), 200 if is_ready else 503)

    return [Route("/healthz", alive), Route("/readyz", ready)]


def describe(_core: Core) -> Description:
    """Describes both routes for the reference."""
    return Description(
        tag="Health",
        about="For load balancers and supervisors; no key is needed.",
        paths={
            "/healthz": {"get": _check("alive", "Check that the process runs", {200: Alive})},
            "/readyz": {"get": _check("ready", "Check that a job can be accepted now", {200: Ready, 503: Ready})},
        },
        schemas=schemas_of((Alive, Ready)),
    )


def _check(name: str, summary: str, answers: dict[int, type[Struct]]) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": ["Health"],
        "summary": summary,
        "security": [],
        "responses": {
            str(status): {
                "description": (answer.__doc__ or "").strip(),
                "content": json_content({"$ref": REF + answer.__name__}),
            }
            for status, answer in answers.items()
        },
    }


SURFACE = Surface(prefixes=("/healthz", "/readyz"), routes=routes, describe=describe)
