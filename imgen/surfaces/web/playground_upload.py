"""Upload of the playground: the source as the whole body of a request of a signed-in user, with the form's token as a header."""

from collections.abc import Sequence
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.asgi.answer_headers import answer_context
from imgen.asgi.endpoint import json_response, spool_body
from imgen.domain import errors
from imgen.domain.user import User
from imgen.services import uploads
from imgen.services.accounts import authentication
from imgen.surfaces.surface import status_of
from imgen.surfaces.web import playground_form, playground_tenant
from imgen.surfaces.web.csrf import UPLOAD_PATH
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Shell


class PlaygroundUpload:
    """Section of the uploads of the playground."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its endpoint."""
        return [Route(UPLOAD_PATH, self._shell.signed_in(self.upload), methods=["POST"])]

    async def upload(self, request: Request, user: User) -> Response:
        """Keeps a picture for the tenant of the query; answers its id, or the error in one sentence."""
        core = self._shell.core
        try:
            named = request.query_params.get("tenant")
            credential = await playground_tenant.acting_for(core, request.scope, user, named)
            note = answer_context(request.scope).note_rate
            principal = await authentication.authenticate(core, credential, note=note)
            with await spool_body(request.scope, request.receive, max_bytes=uploads.MAX_BYTES) as body:
                made = (await uploads.upload(core, principal, body.read)).upload
        except errors.ImgenError as exc:
            return self._answer({"error": playground_form.sentence(exc)}, status_of(type(exc)))
        return self._answer({"image": made.id})

    def _answer(self, value: dict[str, Any], status: int = 200) -> Response:
        return json_response(value, status, self._shell.headers())
