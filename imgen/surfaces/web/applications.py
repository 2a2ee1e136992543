"""Connected applications of a person: the button that revokes one; the account's page lists them."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.user import User
from imgen.services.oauth import connections
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Flash, Shell


class Applications:
    """Section of the connected applications."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        revoke = self._shell.signed_in(self.revoke)
        return [Route("/account/applications/{application}/revoke", revoke, methods=["POST"])]

    async def revoke(self, request: Request, user: User) -> Response:
        """Revokes an application: its tokens are refused from the next request on."""
        try:
            revoked = await connections.revoke(self._shell.core, user, request.path_params["application"])
        except errors.Invalid as exc:
            return self._shell.redirect(request, "/account", Flash(str(exc), "note"))
        name = revoked.client_name or "The application"
        return self._shell.redirect(request, "/account", f"{name} may not act for {revoked.tenant_name} any more.")
