"""Tenant of a user: its members and invitations, managed by its owners."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.user import OWNER, TENANT_ROLES, User
from imgen.records import memberships
from imgen.services.accounts import invitations, members, tenant_access
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Shell


class OwnTenants:
    """Section of the tenants that a user belongs to. One of others looks like one that does not exist."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in, here = self._shell.signed_in, "/account/tenants/{tenant}"
        return [
            Route(here, signed_in(self.tenant), methods=["GET"]),
            Route(f"{here}/name", signed_in(self.rename), methods=["POST"]),
            Route(f"{here}/invitations", signed_in(self.invite), methods=["POST"]),
            Route(f"{here}/invitations/{{link}}/revoke", signed_in(self.revoke), methods=["POST"]),
            Route(f"{here}/members/{{member}}/role", signed_in(self.set_role), methods=["POST"]),
            Route(f"{here}/members/{{member}}/remove", signed_in(self.remove), methods=["POST"]),
        ]

    async def tenant(self, request: Request, user: User, *, problem: str = "", link: str = "") -> Response:
        """Shows a tenant with its members, to its owners with open invitations as well."""
        core, tenant_id = self._shell.core, request.path_params["tenant"]
        tenant, role = await core.database.reading(tenant_access.seen, user, tenant_id)
        manages = role == OWNER or user.is_admin
        return self._shell.page(
            request,
            "own_tenant.html",
            status=400 if problem else 200,
            tenant=tenant,
            plan=core.plan_of(tenant.plan),
            manages=manages,
            members=await core.database.reading(memberships.members_of, tenant.id),
            invitations=await invitations.open_invitations(core, tenant.id) if manages else (),
            roles=TENANT_ROLES,
            problem=problem,
            link=link,
        )

    async def rename(self, request: Request, user: User) -> Response:
        """Gives the tenant another name."""
        name = str((await form_of(request)).get("name", "")).strip()
        try:
            await members.rename_tenant(self._shell.core, user, request.path_params["tenant"], name)
        except errors.Invalid as exc:
            return await self.tenant(request, user, problem=str(exc))
        return self._shell.redirect(request, _page(request), f"It is named {name} now.")

    async def invite(self, request: Request, user: User) -> Response:
        """Makes an invitation, and shows it once."""
        role = str((await form_of(request)).get("role", ""))
        try:
            link = await invitations.invite(self._shell.core, user, request.path_params["tenant"], role)
        except errors.Invalid as exc:
            return await self.tenant(request, user, problem=str(exc))
        return await self.tenant(request, user, link=link)

    async def revoke(self, request: Request, user: User) -> Response:
        """Revokes an invitation."""
        given = request.path_params
        try:
            await invitations.revoke(self._shell.core, user, given["tenant"], given["link"])
        except errors.Invalid as exc:
            return await self.tenant(request, user, problem=str(exc))
        return self._shell.redirect(request, _page(request), "The invitation is revoked.")

    async def set_role(self, request: Request, user: User) -> Response:
        """Makes a member an owner, or an owner a member."""
        given, role = request.path_params, str((await form_of(request)).get("role", ""))
        try:
            await members.set_role(self._shell.core, user, given["tenant"], given["member"], role)
        except errors.Invalid as exc:
            return await self.tenant(request, user, problem=str(exc))
        return self._shell.redirect(request, _page(request), "The role is changed.")

    async def remove(self, request: Request, user: User) -> Response:
        """Takes a member out of the tenant; a user who leaves it comes to the account."""
        given = request.path_params
        try:
            await members.remove(self._shell.core, user, given["tenant"], given["member"])
        except errors.Invalid as exc:
            return await self.tenant(request, user, problem=str(exc))
        if given["member"] == user.id and not user.is_admin:
            return self._shell.redirect(request, "/account", "You have left the tenant.")
        return self._shell.redirect(request, _page(request), "The member is removed.")


def _page(request: Request) -> str:
    return f"/account/tenants/{request.path_params['tenant']}"
