"""Routes of paths that have an endpoint for each method."""

from collections.abc import Iterable

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from imgen.asgi.endpoint import Endpoint


def routes_by_method(endpoints: Iterable[tuple[str, str, Endpoint]]) -> list[Route]:
    """Returns the routes of (path, method, endpoint); GET serves HEAD too, and any other method of a path is a 405."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for path, method, endpoint in endpoints:
        by_path.setdefault(path, {})[method] = endpoint
    return [Route(path, _ByMethod(methods), methods=list(methods)) for path, methods in by_path.items()]


class _ByMethod:
    """ASGI application of a path that has several methods."""

    def __init__(self, endpoints: dict[str, Endpoint]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request to the endpoint of its method."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._endpoints[method](scope, receive, send)
