"""Users of the web face: list, add, reset passwords, remove."""

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.user import ROLES, User
from imgen.records import tenants, users
from imgen.services.accounts import one_time_links, people
from imgen.surfaces.web.name_cursors import format_place, parse_place
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Shell

PAGE = 50
SHOWN_TENANTS = 5
"""Tenants that are named beside a user."""


class People:
    """Section of users and their tenants."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/people", "People", is_for_admins=True, group="Accounts"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/people", signed_in(self.people, admin=True), methods=["GET"]),
            Route("/panel/people", signed_in(self.add, admin=True), methods=["POST"]),
            Route("/panel/people/{name:path}/remove", signed_in(self.remove, admin=True), methods=["POST"]),
            Route("/panel/people/{name:path}/reset-link", signed_in(self.reset_link, admin=True), methods=["POST"]),
            Route("/panel/people/{name:path}/password", signed_in(self.new_password, admin=True), methods=["POST"]),
        ]

    async def people(
        self,
        request: Request,
        _user: User,
        *,
        problem: str = "",
        first: tuple[str, str] = ("", ""),
        link: tuple[str, str] = ("", ""),
    ) -> Response:
        """Lists users by name, with some of their tenants."""
        database, given = self._shell.core.database, request.query_params
        words, after = given.get("words", "").strip()[:200], parse_place(given.get("after", ""))
        found, following = await database.reading(users.page, prefix=words, after=after, limit=PAGE)
        seen = {one.id: sorted(one.tenant_ids)[:SHOWN_TENANTS] for one in found}
        names = await database.reading(tenants.names, {tenant_id for some in seen.values() for tenant_id in some})
        return self._shell.page(
            request,
            "people.html",
            status=400 if problem else 200,
            people=[(one, [names[each] for each in seen[one.id] if each in names]) for one in found],
            words=words,
            following=urlencode({"words": words, "after": format_place(following)}) if following else "",
            roles=ROLES,
            problem=problem,
            first=first,
            link=link,
        )

    async def add(self, request: Request, user: User) -> Response:
        """Adds a user with a first password."""
        form = await form_of(request)
        name, role = str(form.get("name", "")).strip(), str(form.get("role", ""))
        tenant = str(form.get("tenant", "")).strip()
        try:
            known = await self._shell.core.database.reading(tenants.named_tenant, tenant) if tenant else None
            ids = [known.id] if known else []
            password = await people.add(self._shell.core, user, name=name, role=role, tenant_ids=ids)
        except errors.Invalid as exc:
            return await self.people(request, user, problem=str(exc))
        return await self.people(request, user, first=(name, password))

    async def remove(self, request: Request, user: User) -> Response:
        """Removes a user."""
        name = request.path_params["name"]
        try:
            await people.remove(self._shell.core, user, name)
        except errors.Invalid as exc:
            return await self.people(request, user, problem=str(exc))
        return self._shell.redirect(request, "/panel/people", f"{name} is removed and signed out everywhere.")

    async def new_password(self, request: Request, user: User) -> Response:
        """Gives a user a new first password."""
        name = request.path_params["name"]
        password = await people.new_first_password(self._shell.core, user, name)
        return await self.people(request, user, first=(name, password))

    async def reset_link(self, request: Request, user: User) -> Response:
        """Makes a link that resets a user's password, and shows it once."""
        name = request.path_params["name"]
        url = await one_time_links.make_reset(self._shell.core, user, name)
        return await self.people(request, user, link=(name, url))
