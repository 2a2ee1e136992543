"""Composition root of the API: `create_app` mounts SURFACES, opens the parts and closes them; nothing else."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response

from imgen import composition, configuration
from imgen.asgi.answer_headers import AnswerHeaders, headers_of
from imgen.asgi.endpoint import Answer
from imgen.asgi.running_route import running
from imgen.domain.idempotency import HEADER
from imgen.live.executors import PipeliningExecutor
from imgen.live.queue import Publisher
from imgen.services.accounts import rates
from imgen.services.accounts.principal_cache import PrincipalCache
from imgen.services.accounts.request_counts import RequestCounts
from imgen.services.awaited_answers import Abandonment
from imgen.services.awaiting import Awaiting
from imgen.services.core import Core
from imgen.services.enhance import open_enhancer
from imgen.services.open_streams import OpenStreams
from imgen.services.reconcile import Reconciler
from imgen.services.retention import Sweeper
from imgen.services.semantic_cache.cache import SemanticCache
from imgen.services.semantic_cache.embeddings import Embedder
from imgen.services.tenants.emptying import TenantDeleter
from imgen.settings import Settings
from imgen.surfaces import (
    action,
    files,
    forge,
    health,
    mcp,
    oauth,
    openai,
    operators,
    provenance,
    reference,
    studio,
    web,
)
from imgen.surfaces.acting import TENANT
from imgen.surfaces.session_cookie import CSRF_HEADER
from imgen.surfaces.surface import Problem, Surface, surface_at
from imgen.threads import CLOSING

SURFACES: tuple[Surface, ...] = (
    action.SURFACE,
    forge.SURFACE,
    oauth.SURFACE,
    openai.SURFACE,
    studio.SURFACE,
    mcp.SURFACE,
    operators.SURFACE,
    provenance.SURFACE,
    health.SURFACE,
    files.SURFACE,
    reference.surface(lambda: SURFACES),
    web.surface(lambda: SURFACES),
)
"""Table of the surfaces. A new one is a folder, or a module, and a line here."""
CORS_METHODS = ("GET", "HEAD", "POST", "DELETE")
CORS_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    HEADER,
    "Last-Event-ID",
    TENANT,
    "X-API-Key",
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    "Mcp-Session-Id",
    CSRF_HEADER.decode(),
    *openai.CLIENT_HEADERS,
)
CORS_ANSWER_HEADERS = (
    "Retry-After",
    "WWW-Authenticate",
    "ETag",
    "X-Request-Id",
    "Idempotency-Replayed",
    "RateLimit",
    "Mcp-Session-Id",
    *openai.RETRY_HEADERS,
)
"""Parts of requests and answers for browsers of configured origins (contract, the table of surfaces)."""
GC_THRESHOLDS = (10_000, 20, 20)
"""A request leaves hardly any cycles, and at Python's own thresholds looking for them takes a sixteenth of a poll's time."""
_TEXTS = {404: "Not found", 405: "Method not allowed", 500: "Internal error"}


def create_app(settings: Settings) -> Starlette:
    """Makes the API as an ASGI application; call it inside the process that serves it.

    Raises:
        ConfigurationError: a setting or file is wrong; no port is open yet.
    """
    core = open_core(settings)
    routes = [route for surface in SURFACES for route in surface.routes(core)]

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        gc.collect()
        gc.freeze()  # loaded modules live to the end of the process: the collector may skip them
        gc.set_threshold(*GC_THRESHOLDS)
        background = (
            Reconciler(core).run(),
            Sweeper(core).run(),
            TenantDeleter(core).run(),
            Abandonment(core).run(),
            core.cache.warm(),
        )
        tasks = [asyncio.create_task(part) for part in background]
        try:
            async with running(routes):
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await close_core(core)

    return Starlette(
        routes=routes,
        middleware=_middleware(core),
        lifespan=lifespan,
        exception_handlers=dict.fromkeys(_TEXTS, _failed) | {500: _failed_outside},
    )


def refusal(path: str, status: int, text: str) -> Answer:
    """Answers a request that fails before it reaches the application, in the dialect of its path."""
    return surface_at(path, SURFACES).error(Problem(status, text))


def open_core(settings: Settings) -> Core:
    """Opens everything the services need."""
    read = configuration.load(settings)
    database = composition.open_database(settings)
    live = PipeliningExecutor(settings.redis_url)
    embedder = Embedder(settings.cache, settings.embedder_socket)
    return Core(
        settings=settings,
        configured=read,
        trust_anchors=partial(composition.trust_anchors, settings),
        database=database,
        live=live,
        publisher=Publisher(settings.redis_url),
        objects=composition.open_objects(settings, database),
        enhancer=open_enhancer(settings.enhancer, read.words, read.instructions),
        cache=SemanticCache(settings.cache, database, live, embedder, read.guard),
        principal_cache=PrincipalCache(),
        request_counts=RequestCounts(),
        awaiting=Awaiting(database, settings.redis_url),
        open_streams=OpenStreams(settings.http.event_streams),
    )


async def close_core(core: Core) -> None:
    """Closes what open_core opened."""
    await core.awaiting.close()
    await core.live.close()
    await core.enhancer.close()
    await core.cache.close()
    core.publisher.close()
    await CLOSING.run(core.database.close)


def _middleware(core: Core) -> list[Middleware]:
    headers = Middleware(AnswerHeaders, uncount=partial(rates.uncount, core))
    origins = list(core.settings.http.cors_origins)
    if not origins:
        return [headers]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=CORS_METHODS,
        allow_headers=CORS_REQUEST_HEADERS,
        expose_headers=CORS_ANSWER_HEADERS,
    )
    return [headers, cors, Middleware(ServerErrorMiddleware, handler=_failed)]


async def _failed(request: Request, exc: Exception) -> Response:
    known = exc if isinstance(exc, HTTPException) else HTTPException(500)
    problem = Problem(known.status_code, _TEXTS[known.status_code], dict(known.headers or {}))
    status, body, headers = surface_at(request.url.path, SURFACES).error(problem)
    return Response(body, status, headers, media_type="application/json")


async def _failed_outside(request: Request, exc: Exception) -> Response:
    """Answers a fault outside all middleware, whose headers it adds."""
    response = await _failed(request, exc)
    response.headers.update(headers_of(request.scope))
    return response
