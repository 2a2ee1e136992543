"""Account of the signed-in user: sign-in, sign-out, password."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.user import MIN_PASSWORD_CHARS, User
from imgen.records import users
from imgen.services.accounts import devices, sessions
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import NEXT, NavEntry, Shell

DEVICE_COOKIE = "imgen_device"


class Account:
    """Section of the user's own account: password and sessions."""

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
            Route("/panel/account", signed_in(self.account), methods=["GET"]),
            Route("/panel/account", signed_in(self.change_password), methods=["POST"]),
            Route("/panel/account/sign-out-elsewhere", signed_in(self.sign_out_elsewhere), methods=["POST"]),
        ]

    async def sign_in_form(self, request: Request, user: User | None) -> Response:
        """Shows the form for name and password."""
        if user is not None:
            return self._shell.redirect(request, "/panel")
        return self._shell.page(request, "sign_in.html", name="", problem="")

    async def sign_in(self, request: Request, _user: User | None) -> Response:
        """Signs in; the cookie keeps nothing of an earlier session."""
        core, form = self._shell.core, await form_of(request)
        device = request.cookies.get(DEVICE_COOKIE, "")
        name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
        remote_ip = request.client.host if request.client else ""
        agent = request.headers.get("user-agent", "")
        try:
            token = await sessions.sign_in(core, name, password, remote_ip=remote_ip, agent=agent, device=device)
        except (errors.Invalid, errors.RateLimited) as exc:
            status = 429 if isinstance(exc, errors.RateLimited) else 401
            return self._shell.page(request, "sign_in.html", status=status, name=name, problem=str(exc))
        next_path = request.session.get(NEXT, "/panel")
        request.session.clear()
        request.session["token"] = token
        response = self._shell.redirect(request, next_path)
        response.set_cookie(
            DEVICE_COOKIE,
            await devices.device_cookie(core, name, device),
            max_age=devices.COOKIE_S,
            path="/sign-in",
            secure=self._shell.is_tls,
            httponly=True,
            samesite="lax",
        )
        return response

    async def sign_out(self, request: Request, user: User) -> Response:
        """Ends the session; every copy of its cookie becomes invalid."""
        await sessions.sign_out(self._shell.core, user, self._shell.token(request))
        request.session.clear()
        return self._shell.redirect(request, "/sign-in", "You are signed out.")

    async def account(self, request: Request, user: User, problem: str = "", status: int = 400) -> Response:
        """Shows the user's account and the form for a new password."""
        core = self._shell.core
        open_sessions = await core.database.reading(users.session_count, user.id, now=core.clock())
        return self._shell.page(
            request,
            "account.html",
            status=status if problem else 200,
            open_sessions=open_sessions,
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

    async def sign_out_elsewhere(self, request: Request, user: User) -> Response:
        """Ends all other sessions."""
        number = await sessions.sign_out_elsewhere(self._shell.core, user, self._shell.token(request))
        return self._shell.redirect(
            request, "/panel/account", f"Signed out of {number} other browser{'' if number == 1 else 's'}."
        )
