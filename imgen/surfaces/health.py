"""`/healthz` (the process lives) and `/readyz` (it can take a job now)."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from imgen import __version__
from imgen.domain.errors import ImgenError
from imgen.live import job_views
from imgen.services.core import Core
from imgen.surfaces.http import json_response


def routes(core: Core) -> list[Route]:
    """Neither route needs a key, and neither tells more than states."""

    async def alive(_request: Request) -> Response:
        return json_response({"status": "ok", "version": __version__})

    async def ready(_request: Request) -> Response:
        parts = {"database": asyncio.to_thread(core.database.check), "redis": core.live.run(job_views.count_waiting())}
        states = {}
        for name, check in parts.items():
            try:
                await check
                states[name] = "ok"
            except ImgenError:
                states[name] = "unavailable"
        is_ready = all(state == "ok" for state in states.values())
        return json_response({"status": "ok" if is_ready else "unavailable", "parts": states}, 200 if is_ready else 503)

    return [Route("/healthz", alive), Route("/readyz", ready)]
