"""Suggestions for fields in which a tenant or a key is typed: the first names that begin with what is typed, for its list."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.user import User
from imgen.records import job_makers, tenants
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Shell

MOST = 20
MAX_CHARS = 200


class Suggestions:
    """Section of suggestions; without scripts the fields are plain ones."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns the parts of pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/suggest/tenants", signed_in(self.tenants), methods=["GET"]),
            Route("/panel/suggest/keys", signed_in(self.keys), methods=["GET"]),
        ]

    async def tenants(self, request: Request, user: User) -> Response:
        """Returns names of tenants that the user may see."""
        database = self._shell.core.database
        found, _ = await database.reading(tenants.page, scope=user.scope, prefix=_typed(request), limit=MOST)
        return self._shell.page(request, "suggestions.html", names=[one.name for one in found])

    async def keys(self, request: Request, user: User) -> Response:
        """Returns names of keys that the user may see, and of users with pictures of the playground."""
        database = self._shell.core.database
        names = await database.reading(job_makers.beginning, _typed(request), scope=user.scope, limit=MOST)
        return self._shell.page(request, "suggestions.html", names=names)


def _typed(request: Request) -> str:
    """Returns the text of the field, whatever it is named."""
    return next(iter(request.query_params.values()), "").strip()[:MAX_CHARS]
