"""Soft Binding Resolution API of C2PA, `/c2pa/v1/*`: finds manifests of pictures by watermark, fingerprint or file.

Specification: C2PA 2.4, Soft Binding API.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from imgen.asgi.endpoint import Answer, Endpoint, json_answer
from imgen.domain.errors import ImgenError
from imgen.services.core import Core
from imgen.services.recognition.resolution import PublicTurns
from imgen.services.recognition.resolver_state import ResolverParts
from imgen.surfaces.by_method import routes_by_method
from imgen.surfaces.description import Description
from imgen.surfaces.file_headers import SAFE_HEADERS
from imgen.surfaces.provenance import documents, failures, manifests, matches
from imgen.surfaces.provenance.documents import OPEN_HEADERS, PREFIX, WELL_KNOWN
from imgen.surfaces.surface import Surface

BY_BINDING, BY_CONTENT = f"{PREFIX}/matches/byBinding", f"{PREFIX}/matches/byContent"
MANIFEST = f"{PREFIX}/manifests/{{manifest_id:path}}"
"""Path of a manifest store; ids have colons, and may have slashes."""
MANIFEST_TYPE = "application/c2pa"
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "86400",
}
_Answer = Callable[[Scope, Receive], Awaitable[Answer]]


def routes(core: Core) -> list[BaseRoute]:
    """Returns the routes of the surface; none where resolution is off, so that each path is a 404."""
    resolution = core.settings.provenance.resolution
    if resolution == "off":
        return []
    table: tuple[tuple[str, str, _Answer], ...] = (
        (BY_BINDING, "GET", partial(matches.by_binding, core)),
        (BY_BINDING, "POST", partial(matches.by_large_binding, core)),
        (BY_CONTENT, "POST", partial(matches.by_content, core, PublicTurns())),
        (documents.ALGORITHMS, "GET", partial(documents.algorithms, core)),
        (documents.CAPABILITIES, "GET", documents.capabilities),
        (documents.STATUS, "GET", partial(documents.status, ResolverParts(core))),
        (WELL_KNOWN, "GET", partial(documents.discovery, core)),
    )
    more = OPEN_HEADERS if resolution == "public" else {}
    preflights = [(path, "OPTIONS", _preflight) for path in (BY_BINDING, BY_CONTENT) if more]
    served = routes_by_method(
        (path, method, Endpoint(_answerer(answer, more))) for path, method, answer in (*table, *preflights)
    )
    return [*served, Route(MANIFEST, _ManifestStores(core, more), methods=["GET"])]


def describe(core: Core) -> Description:
    """Describes the surface for the reference."""
    from imgen.surfaces.provenance import description

    return description.describe(core)


class _ManifestStores:
    """ASGI application of the route of manifest stores, whose answers are not JSON."""

    def __init__(self, core: Core, more: Mapping[str, str]) -> None:
        """Takes further headers of its answers."""
        self._core = core
        self._more = more

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        answer: ASGIApp
        try:
            store = await manifests.store(self._core, scope)
            answer = Response(store, headers={**SAFE_HEADERS, **self._more}, media_type=MANIFEST_TYPE)
        except ImgenError as exc:
            status, body, headers = failures.failure(exc)
            answer = Response(body, status, {**headers, **self._more}, media_type="application/json")
        await answer(scope, receive, send)


async def _preflight(_scope: Scope, _receive: Receive) -> Answer:
    """Answers a browser that asks before a page's request (Fetch standard, CORS-preflight)."""
    return json_answer({}, 200, PREFLIGHT_HEADERS)


def _answerer(answer: _Answer, more: Mapping[str, str]) -> _Answer:
    """Makes an answer of a route's errors, and adds headers."""

    async def answered(scope: Scope, receive: Receive) -> Answer:
        try:
            status, body, headers = await answer(scope, receive)
        except ImgenError as exc:
            status, body, headers = failures.failure(exc)
        return status, body, {**headers, **more}

    return answered


SURFACE = Surface(prefixes=(PREFIX, WELL_KNOWN), routes=routes, describe=describe)
