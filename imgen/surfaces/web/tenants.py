"""Tenants: a list by name with this month's use; the page of one, where administrators change plans and grant packs."""

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.user import User
from imgen.records import tenants
from imgen.services.accounts import grants
from imgen.services.accounts.usage import plan_uses
from imgen.surfaces.web import tenant_page
from imgen.surfaces.web.name_cursors import format_place, parse_place
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Flash, Shell

PAGE = 50


class Tenants:
    """Section of tenants: administrators see all, members their own."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/tenants", "Tenants", group="Accounts"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/tenants", signed_in(self.all_tenants), methods=["GET"]),
            *tenant_page.routes_of_one({"": signed_in(self.one)}, "GET"),
            *tenant_page.routes_of_one(
                {"/plan": signed_in(self.change_plan, admin=True), "/packs": signed_in(self.grant, admin=True)}, "POST"
            ),
        ]

    async def all_tenants(self, request: Request, user: User) -> Response:
        """Lists tenants by name, with their plan and its use this month."""
        core, given = self._shell.core, request.query_params
        words, after = given.get("words", "").strip()[:200], parse_place(given.get("after", ""))
        shown, following = await core.database.reading(
            tenants.page, scope=user.scope, prefix=words, after=after, limit=PAGE
        )
        return self._shell.page(
            request,
            "tenants.html",
            uses=await plan_uses(core, shown),
            words=words,
            following=urlencode({"words": words, "after": format_place(following)}) if following else "",
        )

    async def one(self, request: Request, user: User) -> Response:
        """Shows one tenant."""
        return await tenant_page.show(self._shell, request, user)

    async def change_plan(self, request: Request, user: User) -> Response:
        """Gives a tenant another plan."""
        wanted = str((await form_of(request)).get("plan", ""))
        try:
            tenant, plan = await grants.change_plan(self._shell.core, user, request.path_params["tenant"], wanted)
        except errors.Invalid as exc:
            return await tenant_page.show(self._shell, request, user, problem=str(exc))
        told = f"{tenant.name} has the plan {plan.label} from the next request on."
        return self._shell.redirect(request, tenant_page.path_of(request), told)

    async def grant(self, request: Request, user: User) -> Response:
        """Grants a tenant a pack of credits for a payment, once."""
        form = await form_of(request)
        pack, reference = (str(form.get(name, "")).strip() for name in ("pack", "reference"))
        try:
            granted, is_new = await grants.grant_pack(
                self._shell.core, user, request.path_params["tenant"], pack, reference=reference
            )
        except errors.Invalid as exc:
            return await tenant_page.show(self._shell, request, user, problem=str(exc))
        told = Flash(f"{granted.credits:,} credits are granted for {reference}.")
        if not is_new:
            told = Flash(f"The payment {reference} has been granted before: nothing is added.", "note")
        return self._shell.redirect(request, tenant_page.path_of(request), told)
