"""Studio, `/api/v1/*`: REST that makes pictures of a source. It refuses wrong values and repairs nothing."""

from starlette.routing import BaseRoute

from imgen.asgi.endpoint import Answer
from imgen.domain.errors import ImgenError
from imgen.services.core import Core
from imgen.surfaces.by_method import routes_by_method
from imgen.surfaces.call import Call, endpoint
from imgen.surfaces.description import Description
from imgen.surfaces.session_cookie import SessionCookies
from imgen.surfaces.studio import failures, job_answers
from imgen.surfaces.studio.table import ROUTES
from imgen.surfaces.surface import Surface

NAME = "studio"
"""Name that plans and jobs have for the surface."""
PREFIX = "/api/v1"


def routes(core: Core) -> list[BaseRoute]:
    """Returns the routes of the surface."""
    cookies = SessionCookies(core)
    return [
        *routes_by_method(
            (row.path, row.method, endpoint(core, cookies, row.handler, surface=NAME, failed=_failed)) for row in ROUTES
        )
    ]


def _failed(error: ImgenError, _call: Call) -> Answer:
    return failures.failure(error)


def describe(core: Core) -> Description:
    """Describes the surface for the reference."""
    from imgen.surfaces.studio import description

    return description.describe(core)


SURFACE = Surface(
    prefixes=(PREFIX,),
    routes=routes,
    name=NAME,
    ended=job_answers.told_answer,
    error=failures.refusal,
    describe=describe,
)
