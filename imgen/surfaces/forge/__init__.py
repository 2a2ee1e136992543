"""Forge, `/v2/*`: REST with quality tiers, tenants and pictures by their digest. It refuses wrong values and repairs nothing."""

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from imgen.asgi.endpoint import Endpoint
from imgen.services.core import Core
from imgen.surfaces.description import Description
from imgen.surfaces.forge import assets, failures
from imgen.surfaces.forge.call import SURFACE as NAME
from imgen.surfaces.forge.call import endpoint
from imgen.surfaces.forge.table import ROUTES
from imgen.surfaces.session_cookie import SessionCookies
from imgen.surfaces.surface import Surface

PREFIX = "/v2"


def routes(core: Core) -> list[BaseRoute]:
    """Returns the routes of the surface."""
    cookies = SessionCookies(core)
    by_path: dict[str, dict[str, Endpoint]] = {}
    for row in ROUTES:
        by_path.setdefault(row.path, {})[row.method] = endpoint(core, cookies, row.handler)
    rows = [Route(path, _ByMethod(handlers), methods=list(handlers)) for path, handlers in by_path.items()]
    return [*rows, *assets.routes(core, cookies)]


class _ByMethod:
    """ASGI application of a path that has several methods."""

    def __init__(self, endpoints: dict[str, Endpoint]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request to the endpoint of its method."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._endpoints[method](scope, receive, send)


def describe(core: Core) -> Description:
    """Describes the surface for the reference."""
    from imgen.surfaces.forge import description

    return description.describe(core)


SURFACE = Surface(
    prefixes=(PREFIX,),
    routes=routes,
    name=NAME,
    error=failures.refusal,
    describe=describe,
)
