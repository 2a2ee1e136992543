"""MCP, `/mcp`: tools for agents, by the Model Context Protocol in its versions 2026-07-28 and 2025-11-25 and older.

The official `mcp` package has the transport, and is loaded by the first request of an authenticated caller. Before it is ours:
who calls, from where, and with which scopes.
"""

from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute

from imgen.services.core import Core
from imgen.surfaces.description import Description
from imgen.surfaces.mcp import refusals
from imgen.surfaces.mcp.call import NAME, PATH
from imgen.surfaces.mcp.route import McpRoute
from imgen.surfaces.surface import Surface

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server


def routes(core: Core) -> list[BaseRoute]:
    """Returns the route of the surface."""
    return [McpRoute(core, _server)]


def describe(core: Core) -> Description:
    """Describes the surface for the reference."""
    from imgen.surfaces.mcp import description

    return description.describe(core)


def _server(core: Core) -> "Server[Any]":
    from imgen.surfaces.mcp.server import make_server

    return make_server(core)


SURFACE = Surface(prefixes=(PATH,), routes=routes, name=NAME, error=refusals.refusal, describe=describe)
