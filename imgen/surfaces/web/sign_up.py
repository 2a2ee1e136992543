"""Sign-up: the page where people make an account, if the operator opened it; otherwise there is no such page."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.user import MIN_PASSWORD_CHARS, User
from imgen.services.accounts import passwords, sign_up
from imgen.surfaces.surface import status_of
from imgen.surfaces.web.entering import enter, remote_ip
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Shell


class SignUp:
    """Section of the sign-up."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its page."""
        all_ = self._shell.open_to_all
        return [
            Route("/sign-up", all_(self.form), methods=["GET"]),
            Route("/sign-up", all_(self.sign_up), methods=["POST"]),
        ]

    async def form(self, request: Request, user: User | None) -> Response:
        """Shows the form."""
        self._check_open()
        if user is not None:
            return self._shell.redirect(request, "/account")
        return self._page(request)

    async def sign_up(self, request: Request, _user: User | None) -> Response:
        """Makes the account, and signs in with it."""
        self._check_open()
        form = await form_of(request)
        name, password, again = (str(form.get(field, "")) for field in ("name", "password", "again"))
        name = name.strip()
        try:
            passwords.check_equal(password, again)
            ip = remote_ip(request)
            await sign_up.sign_up(self._shell.core, name=name, password=password, remote_ip=ip)
            return await enter(self._shell, request, name, password)
        except (errors.Invalid, errors.RateLimited) as exc:
            return self._page(request, name=name, refusal=exc)

    def _check_open(self) -> None:
        if not sign_up.is_open(self._shell.core):
            raise HTTPException(404)

    def _page(self, request: Request, *, name: str = "", refusal: errors.ImgenError | None = None) -> Response:
        return self._shell.page(
            request,
            "sign_up.html",
            status=status_of(type(refusal)) if refusal else 200,
            name=name,
            min_chars=MIN_PASSWORD_CHARS,
            problem=str(refusal or ""),
        )
