"""Account of the signed-in user: sign-in, sign-out, password, tenants."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.user import MIN_PASSWORD_CHARS, OWNER, User
from imgen.records import memberships, users
from imgen.services.accounts import members, sessions
from imgen.services.oauth import connections
from imgen.surfaces.web.entering import enter
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import ANYWHERE, AUTHORIZE, NEXT, Shell


class Account:
    """Section of the user's own account: password, sessions and tenants."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        all_, signed_in = self._shell.open_to_all, self._shell.signed_in
        return [
            Route("/sign-in", all_(self.sign_in_form), methods=["GET"]),
            Route("/sign-in", all_(self.sign_in), methods=["POST"]),
            Route("/sign-out", signed_in(self.sign_out), methods=["POST"]),
            Route("/account", signed_in(self.account), methods=["GET"]),
            Route("/account/tenants", signed_in(self.make_tenant), methods=["POST"]),
            Route("/panel/account", signed_in(self.account), methods=["GET"]),
            Route("/panel/account", signed_in(self.change_password), methods=["POST"]),
            Route("/panel/account/sign-out-elsewhere", signed_in(self.sign_out_elsewhere), methods=["POST"]),
        ]

    async def sign_in_form(self, request: Request, user: User | None) -> Response:
        """Shows the form for name and password."""
        if user is not None:
            return self._shell.redirect(request, "/panel")
        return self._sign_in_page(request)

    async def sign_in(self, request: Request, _user: User | None) -> Response:
        """Signs in; the cookie keeps nothing of an earlier session."""
        form = await form_of(request)
        name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
        try:
            return await enter(self._shell, request, name, password)
        except (errors.Invalid, errors.RateLimited) as exc:
            status = 429 if isinstance(exc, errors.RateLimited) else 401
            return self._sign_in_page(request, status=status, name=name, problem=str(exc))

    def _sign_in_page(self, request: Request, *, status: int = 200, name: str = "", problem: str = "") -> Response:
        is_for_application = str(request.session.get(NEXT, "")).startswith(AUTHORIZE)  # which may be answered at once
        policy = self._shell.policy_towards(ANYWHERE) if is_for_application else ""
        return self._shell.page(request, "sign_in.html", status=status, policy=policy, name=name, problem=problem)

    async def sign_out(self, request: Request, user: User) -> Response:
        """Ends the session; every copy of its cookie becomes invalid."""
        await sessions.sign_out(self._shell.core, user, self._shell.token(request))
        request.session.clear()
        return self._shell.redirect(request, "/sign-in", "You are signed out.")

    async def account(self, request: Request, user: User, problem: str = "", status: int = 400) -> Response:
        """Shows the user's account: sessions, tenants, connected applications, and the form for a new password."""
        core = self._shell.core
        open_sessions = await core.database.reading(users.session_count, user.id, now=core.clock())
        own = await core.database.reading(memberships.tenants_of, user.id)
        return self._shell.page(
            request,
            "account.html",
            status=status if problem else 200,
            open_sessions=open_sessions,
            own=[(one, core.plan_of(one.tenant.plan)) for one in own],
            applications=await connections.of_user(core, user),
            owned=sum(one.role == OWNER for one in own),
            may_own=core.settings.accounts.tenants_per_person,
            problem=problem,
            min_chars=MIN_PASSWORD_CHARS,
        )

    async def change_password(self, request: Request, user: User) -> Response:
        """Sets the new password."""
        form = await form_of(request)
        old, new, again = (str(form.get(name, "")) for name in ("old", "new", "again"))
        if new != again:
            return await self.account(request, user, "The two new passwords differ")
        try:
            await sessions.change_password(self._shell.core, user, self._shell.token(request), old=old, new=new)
        except errors.Invalid as exc:
            return await self.account(request, user, str(exc))
        except errors.RateLimited as exc:
            return await self.account(request, user, str(exc), status=429)
        flash = "Your password is changed, and you are signed out everywhere else."
        return self._shell.redirect(request, "/panel/account", flash)

    async def make_tenant(self, request: Request, user: User) -> Response:
        """Makes a tenant that the user owns."""
        name = str((await form_of(request)).get("name", "")).strip()
        try:
            made = await members.make_tenant(self._shell.core, user, name)
        except errors.Invalid as exc:
            return await self.account(request, user, str(exc))
        return self._shell.redirect(request, f"/account/tenants/{made.id}", f"{made.name} is made.")

    async def sign_out_elsewhere(self, request: Request, user: User) -> Response:
        """Ends all other sessions."""
        number = await sessions.sign_out_elsewhere(self._shell.core, user, self._shell.token(request))
        return self._shell.redirect(
            request, "/panel/account", f"Signed out of {number} other browser{'' if number == 1 else 's'}."
        )
