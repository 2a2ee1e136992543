"""Health checks without a key: `/healthz` (the process runs) and `/readyz` (it can accept a job now)."""

import asyncio
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from imgen import __version__
from imgen.asgi.endpoint import json_response
from imgen.domain.errors import ImgenError
from imgen.live import job_views
from imgen.services.core import Core
from imgen.surfaces.description import REF, Description, json_content, schemas_of
from imgen.surfaces.surface import Surface

PartState = Literal["ok", "unavailable"]


class Alive(Struct, frozen=True, kw_only=True):
    """Process that runs."""

    status: Literal["ok"]
    version: str


class Ready(Struct, frozen=True, kw_only=True):
    """Readiness to accept a job now."""

    status: PartState
    parts: Annotated[dict[str, PartState], Meta(description="State of `database` and `redis`.")]


def routes(core: Core) -> list[Route]:
    """Returns both routes; their answers hold states only."""

    async def alive(_request: Request) -> Response:
        return json_response(Alive(status="ok", version=__version__))

    async def ready(_request: Request) -> Response:
        parts = {"database": asyncio.to_thread(core.database.check), "redis": core.live.run(job_views.count_waiting())}
        states: dict[str, PartState] = {}
        for name, check in parts.items():
            try:
                await check
                states[name] = "ok"
            except ImgenError:
                states[name] = "unavailable"
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
