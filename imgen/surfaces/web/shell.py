"""Shell of every page: signed-in user, navigation, rendering of templates, and a line (flash) after a change."""

import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import structs
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope, Send

from imgen.domain import errors
from imgen.domain.user import User
from imgen.records import installation
from imgen.services.accounts import sessions, sign_up
from imgen.services.core import Core
from imgen.services.recognition import strangers
from imgen.surfaces.pages import environment, page_headers
from imgen.surfaces.session_cookie import COOKIE
from imgen.surfaces.web import error_pages, filters, nul
from imgen.surfaces.web.csrf import Csrf, no_body
from imgen.surfaces.web.navigation import NavEntry, navigation

FLASH, NEXT = "flash", "then"
"""Keys of the cookie: a line for the next page, and the page to show after sign-in."""
MAX_NEXT_CHARS = 2000
"""Limit of the path in the cookie, which holds 4 KiB: 2.7 KiB of it with this."""
AUTHORIZE = "/authorize"
"""Page at which people allow applications (consent.py)."""
ANYWHERE = "'self' https: http:"
"""Targets of a form whose answer may lead to an application."""
Handler = Callable[[Request, User], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Flash(NamedTuple):
    """Line on the next page. Its kind is a class of the style sheet."""

    text: str
    kind: str = "news"
    """`news`: a change was made; `note`: none was; `warning`: something is to be done."""


class Shell:
    """Shell of all pages of one application."""

    def __init__(self, core: Core, nav: Sequence[NavEntry]) -> None:
        self.core = core
        self._nav = nav
        self._secret = installation.secret(core.database, installation.WEB).hex()
        self.is_tls = core.settings.public_url.startswith("https://")
        self._policy = _policy(core)
        self._templates = environment()
        self._templates.filters |= filters.FILTERS
        self._templates.globals |= {
            "is_sign_up_open": sign_up.is_open(core),
            "is_verify_open": strangers.is_public(core),
        }

    def page(
        self, request: Request, template: str, *, status: int = 200, policy: str = "", **values: Any
    ) -> HTMLResponse:
        """Renders a page, under a policy of its own where one is given. A line that `redirect` left is shown once."""
        user, left = getattr(request.state, "user", None), request.session.pop(FLASH, None)
        path = request.url.path
        nav = navigation(self._nav, user, path) if user else None
        around = {"user": user, "path": path, "nav": nav, "flash": left and Flash(*left)}
        text = self._render(template, csrf=request.scope["csrftoken"](), **around | values)
        return HTMLResponse(text, status, headers=self.headers(policy))

    def policy_towards(self, targets: str) -> str:
        """Returns the policy of a page whose forms may lead to other addresses: browsers hold redirects after them to it."""
        return self._policy.replace("form-action 'self'", f"form-action {targets}")

    def headers(self, policy: str = "") -> dict[str, str]:
        """Returns the headers of every page."""
        return page_headers(policy or self._policy) | {"Cache-Control": "no-store"}

    def redirect(self, request: Request, path: str, flash: str | Flash = "") -> Response:
        """Redirects to a page, as a rule after a change, with a line to show there."""
        if flash:
            request.session[FLASH] = Flash(flash) if isinstance(flash, str) else flash
        return RedirectResponse(path, 303)

    def unchanged(self) -> Response:
        """Answers 204 to a poll without changes: htmx then leaves the page as it is."""
        return Response(status_code=204, headers=self.headers())

    def token(self, request: Request) -> str:
        """Returns the session's token; empty: there is none."""
        return str(request.session.get("token", ""))

    def open_to_all(self, handler: Callable[[Request, User | None], Awaitable[Response]]) -> Endpoint:
        """Makes the endpoint of a page without sign-in; the handler gets the signed-in user or None."""

        async def endpoint(request: Request) -> Response:
            request.state.user = await sessions.signed_in(self.core, self.token(request))
            return await handler(request, request.state.user)

        return endpoint

    def signed_in(self, handler: Handler, *, admin: bool = False) -> Endpoint:
        """Makes the endpoint of a page for signed-in users; others are redirected to sign in. `admin`: administrators only."""

        async def endpoint(request: Request) -> Response:
            user = await sessions.signed_in(self.core, self.token(request))
            if user is None:
                return self._to_sign_in(request)
            user = structs.replace(user, remote_ip=request.client.host if request.client else "")
            request.state.user = user
            if user.must_change_password and request.url.path not in ("/account", "/panel/account", "/sign-out"):
                demand = Flash("Choose a password of your own first.", "warning")
                return self.redirect(request, "/panel/account", demand)
            if admin and not user.is_admin:
                raise HTTPException(403, "This page is for administrators.")
            return await handler(request, user)

        return endpoint

    def middleware(self) -> list[Middleware]:
        """Returns the middleware: signed cookies, CSRF protection, and a page for every fault."""
        return [
            Middleware(
                SessionMiddleware,
                secret_key=self._secret,
                session_cookie=COOKIE,
                max_age=sessions.SESSION_S,
                same_site="lax",
                https_only=self.is_tls,
            ),
            Middleware(
                Csrf,
                secret=self._secret,
                is_tls=self.is_tls,
                max_bytes=int(self.core.settings.http.max_body_mib * 2**20),
                is_signed_in=self._is_signed_in,
                refuse=self._refuse_forged,
            ),
            Middleware(error_pages.Faults, render=self._error_page),
            Middleware(nul.WithoutNul, render_not_found=partial(error_pages.not_found, self._error_page)),
        ]

    def exception_handlers(self) -> Mapping[Any, Any]:
        """Returns the handlers that show an error as a page."""
        return error_pages.handlers(self._error_page)

    async def _is_signed_in(self, scope: Scope) -> bool:
        return await sessions.signed_in(self.core, str(scope["session"].get("token", ""))) is not None

    def _to_sign_in(self, request: Request) -> Response:
        if request.headers.get("hx-request") == "true":  # a part of a page cannot show a form
            return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
        if request.method == "GET":
            query = f"?{request.url.query}" if request.url.query else ""
            next_path = request.url.path + query
            request.session[NEXT] = next_path if len(next_path) <= MAX_NEXT_CHARS else request.url.path[:MAX_NEXT_CHARS]
        return RedirectResponse("/sign-in", 303)

    async def _error_page(self, request: Request, status: int, title: str, text: str) -> Response:
        """Renders the error page, for the signed-in user if the session can be read."""
        if getattr(request.state, "user", None) is None:
            with contextlib.suppress(errors.ImgenError):  # without SQL the page has no navigation
                request.state.user = await sessions.signed_in(self.core, self.token(request))
        return self.page(request, "error.html", status=status, title=title, text=text)

    def _render(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(values)

    async def _refuse_forged(self, scope: Scope, send: Send, _reason: int) -> None:
        told = {"title": "Not possible", "text": "This form has expired. Go back and load the page anew."}
        text = self._render("error.html", csrf="", user=None, path=scope["path"], flash=None, **told)
        response = HTMLResponse(text, 403, headers=self.headers())
        await response(scope, no_body, send)


def _policy(core: Core) -> str:
    """Returns the Content-Security-Policy: files of this server, and pictures from the object store's origin."""
    pictures = urlsplit(core.objects.url("check/policy"))
    images = f"'self' data: blob: {pictures.scheme}://{pictures.netloc}"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


def digest(shown: object) -> str:
    """Returns a digest of the values of a page; a poll sends it, and an equal one means no change."""
    return hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:16]
