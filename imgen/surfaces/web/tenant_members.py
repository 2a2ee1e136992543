"""Forms on the page of a tenant for its owners: name, invitations, members. Members have one, to leave it."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from imgen.domain import errors
from imgen.domain.user import User
from imgen.services.accounts import invitations, members
from imgen.surfaces.web import tenant_page
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Shell


class TenantMembers:
    """Section of changes by owners. A tenant of others looks like one that does not exist."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        changes = {
            "/name": self.rename,
            "/invitations": self.invite,
            "/invitations/{link}/revoke": self.revoke,
            "/members/{member}/role": self.set_role,
            "/members/{member}/remove": self.remove,
        }
        return tenant_page.routes_of_one(
            {path: self._shell.signed_in(handler) for path, handler in changes.items()}, "POST"
        )

    async def rename(self, request: Request, user: User) -> Response:
        """Gives the tenant another name."""
        name = str((await form_of(request)).get("name", "")).strip()
        try:
            await members.rename_tenant(self._shell.core, user, request.path_params["tenant"], name)
        except errors.Invalid as exc:
            return await tenant_page.show(self._shell, request, user, problem=str(exc))
        return self._shell.redirect(request, tenant_page.path_of(request), f"It is named {name} now.")

    async def invite(self, request: Request, user: User) -> Response:
        """Makes an invitation, and shows it once."""
        role = str((await form_of(request)).get("role", ""))
        try:
            link = await invitations.invite(self._shell.core, user, request.path_params["tenant"], role)
        except errors.Invalid as exc:
            return await tenant_page.show(self._shell, request, user, problem=str(exc))
        return await tenant_page.show(self._shell, request, user, link=link)

    async def revoke(self, request: Request, user: User) -> Response:
        """Revokes an invitation."""
        given = request.path_params
        try:
            await invitations.revoke(self._shell.core, user, given["tenant"], given["link"])
        except errors.Invalid as exc:
            return await tenant_page.show(self._shell, request, user, problem=str(exc))
        return self._shell.redirect(request, tenant_page.path_of(request), "The invitation is revoked.")

    async def set_role(self, request: Request, user: User) -> Response:
        """Makes a member an owner, or an owner a member."""
        given, role = request.path_params, str((await form_of(request)).get("role", ""))
        try:
            await members.set_role(self._shell.core, user, given["tenant"], given["member"], role)
        except errors.Invalid as exc:
            return await tenant_page.show(self._shell, request, user, problem=str(exc))
        return self._shell.redirect(request, tenant_page.path_of(request), "The role is changed.")

    async def remove(self, request: Request, user: User) -> Response:
        """Takes a member out of the tenant; a user who leaves it comes to the account."""
        given = request.path_params
        try:
            await members.remove(self._shell.core, user, given["tenant"], given["member"])
        except errors.Invalid as exc:
            return await tenant_page.show(self._shell, request, user, problem=str(exc))
        if given["member"] == user.id and not user.is_admin:
            return self._shell.redirect(request, "/account", "You have left the tenant.")
        return self._shell.redirect(request, tenant_page.path_of(request), "The member is removed.")
