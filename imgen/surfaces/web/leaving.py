"""Leaving: a tenant's data as an archive, and the deletion of a tenant, for its owners and administrators."""

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from imgen.domain import errors
from imgen.domain.user import User
from imgen.services.tenants import closing
from imgen.services.tenants.exporting import Exports
from imgen.surfaces.web import filters, tenant_page
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Shell


class Leaving:
    """Section of tenants that leave. Both are changes, so that no other site can have a browser ask for them."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._exports = Exports(shell.core)

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return tenant_page.routes_of_one({"/export": signed_in(self.export), "/delete": signed_in(self.delete)}, "POST")

    async def export(self, request: Request, user: User) -> Response:
        """Sends the data of a tenant in one archive."""
        tenant_id = request.path_params["tenant"]
        _, chunks = await self._exports.begin(user, tenant_id)
        first = await anext(chunks)  # while an error can still be told

        async def body() -> AsyncIterator[bytes]:
            yield first
            async for chunk in chunks:
                yield chunk

        day = filters.day(self._shell.core.clock())
        named = {"Content-Disposition": f'attachment; filename="tenant-{day}.zip"'}
        return StreamingResponse(body(), media_type="application/zip", headers=self._shell.headers() | named)

    async def delete(self, request: Request, user: User) -> Response:
        """Closes a tenant whose name was typed; the rest is deleted by itself."""
        form, tenant_id = await form_of(request), request.path_params["tenant"]
        typed, with_people = str(form.get("name", "")), form.get("people") == "on"
        try:
            gone = await closing.delete_tenant(self._shell.core, user, tenant_id, typed=typed, with_people=with_people)
        except errors.Invalid as exc:
            return await tenant_page.show(self._shell, request, user, problem=str(exc))
        flash = f"{gone.name} is closed. Its pictures and jobs are deleted within minutes."
        return self._shell.redirect(request, "/panel/tenants" if user.is_admin else "/account", flash)
