"""Forge, `/v2/*`: REST with quality tiers, tenants and pictures by their digest. It refuses wrong values and repairs nothing."""

from starlette.routing import BaseRoute

from imgen.asgi.endpoint import Answer
from imgen.domain.errors import ImgenError
from imgen.domain.oauth.grants import FORGE
from imgen.services.core import Core
from imgen.surfaces.by_method import routes_by_method
from imgen.surfaces.call import Call, endpoint
from imgen.surfaces.description import Description
from imgen.surfaces.forge import assets, failures
from imgen.surfaces.forge.table import ROUTES
from imgen.surfaces.session_cookie import SessionCookies
from imgen.surfaces.surface import Surface

NAME = "forge"
"""Name that plans, jobs and keys have for the surface."""
PREFIX = "/v2"


def routes(core: Core) -> list[BaseRoute]:
    """Returns the routes of the surface."""
    cookies = SessionCookies(core)
    rows = routes_by_method(
        (
            row.path,
            row.method,
            endpoint(core, cookies, row.handler, surface=NAME, failed=_failed, serves_anonymous=True, resource=FORGE),
        )
        for row in ROUTES
    )
    return [*rows, *assets.routes(core, cookies, surface=NAME)]


def _failed(error: ImgenError, call: Call) -> Answer:
    return failures.failure(error, is_anonymous=call.is_anonymous)


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
