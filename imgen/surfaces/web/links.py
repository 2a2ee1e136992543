"""One-time links: invitations to a tenant, and new passwords. The token comes in a form, never in a path or a query."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.user import MIN_PASSWORD_CHARS, User
from imgen.services.accounts import invitations, one_time_links, passwords, sessions
from imgen.surfaces.surface import status_of
from imgen.surfaces.web.entering import enter, open_session, remote_ip
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Shell

_TITLES = {"/invitation": "Invitation", "/password-reset": "New password"}
_REFUSALS = (errors.Invalid, errors.RateLimited, errors.Forbidden)


class Links:
    """Section of the pages at which one-time links are used; they are open to all."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        all_ = self._shell.open_to_all
        return [
            *(Route(path, all_(self.code), methods=["GET"]) for path in _TITLES),
            Route("/invitation", all_(self.invitation), methods=["POST"]),
            Route("/invitation/accept", all_(self.accept), methods=["POST"]),
            Route("/password-reset", all_(self.reset), methods=["POST"]),
            Route("/password-reset/set", all_(self.set_password), methods=["POST"]),
        ]

    async def code(self, request: Request, _user: User | None) -> Response:
        """Asks for the token, which a script takes from the fragment of the address."""
        return self._code(request, request.url.path)

    async def invitation(
        self, request: Request, _user: User | None, *, refusal: errors.ImgenError | None = None
    ) -> Response:
        """Shows an invitation, and the ways to accept it. `refusal`: the last one was not possible."""
        form = await form_of(request)
        token = _text(form, "token").strip()
        try:
            invited = await one_time_links.look_at_invitation(self._shell.core, token, remote_ip=remote_ip(request))
        except _REFUSALS as exc:
            return self._code(request, "/invitation", exc)
        return self._shell.page(
            request,
            "invitation.html",
            status=status_of(type(refusal)) if refusal else 200,
            invited=invited,
            token=token,
            name=_text(form, "name"),
            min_chars=MIN_PASSWORD_CHARS,
            problem=str(refusal or ""),
        )

    async def accept(self, request: Request, user: User | None) -> Response:
        """Accepts an invitation: as the signed-in user, as a user who signs in, or with a new account."""
        form = await form_of(request)
        token, name, password = (_text(form, field) for field in ("token", "name", "password"))
        core, ip = self._shell.core, remote_ip(request)
        try:
            if _text(form, "as") == "new":
                passwords.check_equal(password, _text(form, "again"))
                await invitations.accept_as_new(core, token, name=name.strip(), password=password, remote_ip=ip)
                return await enter(self._shell, request, name.strip(), password)
            if _text(form, "as") == "known":
                await open_session(self._shell, request, name.strip(), password)
                user = request.state.user = await sessions.signed_in(core, self._shell.token(request))
            if user is None:
                raise errors.Invalid("You are signed out; sign in first")
            tenant = await invitations.accept(core, user, token, remote_ip=ip)
        except _REFUSALS as exc:
            return await self.invitation(request, user, refusal=exc)
        return self._shell.redirect(request, "/account", f"You belong to {tenant.name} now.")

    async def reset(
        self, request: Request, _user: User | None, *, refusal: errors.ImgenError | None = None
    ) -> Response:
        """Shows the form for a new password. `refusal`: the last one was not possible."""
        token = _text(await form_of(request), "token").strip()
        try:
            name = await one_time_links.look_at_reset(self._shell.core, token, remote_ip=remote_ip(request))
        except _REFUSALS as exc:
            return self._code(request, "/password-reset", exc)
        return self._shell.page(
            request,
            "password_reset.html",
            status=status_of(type(refusal)) if refusal else 200,
            token=token,
            name=name,
            min_chars=MIN_PASSWORD_CHARS,
            problem=str(refusal or ""),
        )

    async def set_password(self, request: Request, user: User | None) -> Response:
        """Sets the new password; then it is to be used for signing in."""
        form = await form_of(request)
        token, new, again = (_text(form, field) for field in ("token", "new", "again"))
        try:
            passwords.check_equal(new, again)
            await one_time_links.reset_password(self._shell.core, token, new, remote_ip=remote_ip(request))
        except _REFUSALS as exc:
            return await self.reset(request, user, refusal=exc)
        request.session.clear()
        return self._shell.redirect(request, "/sign-in", "Your password is set. Sign in with it.")

    def _code(self, request: Request, path: str, refusal: errors.ImgenError | None = None) -> Response:
        return self._shell.page(
            request,
            "link.html",
            status=status_of(type(refusal)) if refusal else 200,
            title=_TITLES[path],
            action=path,
            problem=str(refusal or ""),
        )


def _text(form: FormData, field: str) -> str:
    return str(form.get(field, ""))
