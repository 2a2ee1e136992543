"""What every page needs: who is signed in, a rendered template, one line of news after a change, and the security headers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import structlog
from asgi_csrf import asgi_csrf
from msgspec import structs
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Scope, Send

from imgen.domain import errors
from imgen.domain.people import Person
from imgen.records import installation
from imgen.services.accounts import sessions
from imgen.services.core import Core
from imgen.surfaces.http import giving, json_response, page_headers, read_body
from imgen.surfaces.web import filters
from imgen.surfaces.web.templates import environment

log = structlog.get_logger(__name__)

COOKIE = "imgen_session"
MAX_FORM_BYTES = 64 * 1024
MAX_THEN_CHARS = 1000
"""Of the page that was asked for: a cookie holds 4 KiB."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
BAR = (
    ("/", "Playground", False),
    ("/panel", "Overview", False),
    ("/panel/jobs", "Jobs", False),
    ("/panel/blocked", "Blocked", False),
    ("/panel/keys", "Keys", False),
    ("/panel/usage", "Usage", False),
    ("/panel/catalog", "Catalog", False),
    ("/panel/workers", "Workers", True),
    ("/panel/cache", "Cache", True),
    ("/panel/people", "People", True),
    ("/panel/audit", "Audit", True),
)
"""Address, label and whether it is for administrators alone."""
Handler = Callable[[Request, Person], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Desk:
    """One per application."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._secret = installation.secret(core.database, installation.WEB).hex()
        self._is_tls = core.settings.public_url.startswith("https://")
        self._policy = _policy(core)
        self._templates = environment()
        self._templates.filters |= filters.FILTERS
        self._templates.globals |= {"rooms": BAR}

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A rendered page. `news` left by the page before is shown once."""
        person = getattr(request.state, "person", None)
        around = {
            "person": person,
            "path": request.url.path,
            "news": request.session.pop("news", None),
            "csrf": request.scope["csrftoken"](),
        }
        text = self._templates.get_template(template).render(around | values)
        return HTMLResponse(text, status, headers=self.headers())

    def headers(self, policy: str = "") -> dict[str, str]:
        """What every page is sent with."""
        return page_headers(policy or self._policy) | {"Cache-Control": "no-store"}

    def back(self, request: Request, path: str, news: str = "") -> Response:
        """Sends the browser to a page after a change, with one line to show there."""
        if news:
            request.session["news"] = news
        return RedirectResponse(path, 303)

    def token(self, request: Request) -> str:
        """The session's token; empty: there is none."""
        return str(request.session.get("token", ""))

    def open_to_all(self, handler: Callable[[Request, Person | None], Awaitable[Response]]) -> Endpoint:
        """A page that needs nobody signed in; the handler is told who is."""

        async def endpoint(request: Request) -> Response:
            request.state.person = await sessions.signed_in(self.core, self.token(request))
            return await handler(request, request.state.person)

        return endpoint

    def signed_in(self, handler: Handler, *, admin: bool = False) -> Endpoint:
        """A page for people with an account; others are sent to sign in. `admin`: members may not see it."""

        async def endpoint(request: Request) -> Response:
            person = await sessions.signed_in(self.core, self.token(request))
            if person is None:
                return self._to_sign_in(request)
            person = structs.replace(person, address=request.client.host if request.client else "")
            request.state.person = person
            if person.must_change_password and request.url.path not in ("/panel/account", "/sign-out"):
                return self.back(request, "/panel/account", "Choose a password of your own first.")
            if admin and not person.is_admin:
                raise HTTPException(403, "This page is for administrators.")
            return await handler(request, person)

        return endpoint

    def middleware(self) -> list[Middleware]:
        """Signed cookies, and a token that every change must carry."""
        return [
            Middleware(
                SessionMiddleware,
                secret_key=self._secret,
                session_cookie=COOKIE,
                max_age=sessions.SESSION_S,
                same_site="lax",
                https_only=self._is_tls,
            ),
            Middleware(
                _Csrf,
                secret=self._secret,
                is_tls=self._is_tls,
                max_bytes=int(self.core.settings.http.max_body_mib * 2**20),
                refuse=self._refuse_forged,
            ),
        ]

    def exception_handlers(self) -> Mapping[Any, Any]:
        """Error → page."""
        return {404: self._not_found, HTTPException: self._http_error, errors.ImgenError: self._error}

    def _to_sign_in(self, request: Request) -> Response:
        if request.headers.get("hx-request") == "true":  # a part of a page cannot show a form
            return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
        if request.method == "GET":
            query = f"?{request.url.query}" if request.url.query else ""
            then = request.url.path + query
            request.session["then"] = then if len(then) <= MAX_THEN_CHARS else request.url.path[:MAX_THEN_CHARS]
        return RedirectResponse("/sign-in", 303)

    async def _not_found(self, request: Request, _exc: Exception) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return json_response({"error": "Not found"}, 404)
        return self.page(request, "error.html", status=404, title="Not found", text="There is nothing here.")

    async def _http_error(self, request: Request, exc: HTTPException) -> Response:
        if "text/html" not in request.headers.get("accept", "") and exc.status_code == 405:  # noqa: PLR2004
            return json_response({"error": "Method not allowed"}, 405, dict(exc.headers or {}))
        return self.page(request, "error.html", status=exc.status_code, title="Not possible", text=exc.detail)

    async def _error(self, request: Request, exc: errors.ImgenError) -> Response:
        is_ours = isinstance(exc, errors.Retryable | errors.Unavailable | errors.ConfigurationError)
        if is_ours:
            log.error("page failed", path=request.url.path, reason=str(exc))
        text = "A part of the service does not answer. Try again in a moment." if is_ours else str(exc)
        status = 503 if is_ours else 403 if isinstance(exc, errors.Forbidden) else 400
        return self.page(request, "error.html", status=status, title="Not possible", text=text)

    async def _refuse_forged(self, scope: Scope, send: Send, _reason: int) -> None:
        text = "<h1>Forbidden</h1><p>This form has expired. Go back and load the page anew.</p>"
        response = HTMLResponse(text, 403, headers=self.headers())
        await response(scope, _no_body, send)


class _Everything:
    """Holds every path."""

    def __contains__(self, _path: object) -> bool:
        return True


class _Csrf:
    """asgi-csrf with our settings, as a class for Starlette's list.

    It cannot read multipart bodies with the parser that Starlette needs, so it is not told of them: those need the header.
    """

    def __init__(self, app: ASGIApp, secret: str, is_tls: bool, max_bytes: int, refuse: Any) -> None:  # noqa: FBT001 - Starlette's way
        self._max_bytes = max_bytes

        async def passed(scope: Scope, receive: Any, send: Send) -> None:
            await app({**scope, "headers": scope["all_headers"]}, receive, send)

        self._refuse = refuse
        self.app = asgi_csrf(
            passed,
            signing_secret=secret,
            always_protect=_Everything(),
            cookie_secure=is_tls,
            skip_if_scope=None,
            send_csrf_failed=refuse,
        )

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        headers = scope["headers"]
        told = [(name, value) for name, value in headers if not value.strip().lower().startswith(b"multipart/")]
        body = b""
        if scope["type"] == "http" and scope["method"] not in SAFE:
            # The playground's form holds a file; it looks at the size itself, and says no beside the form
            max_bytes = MAX_FORM_BYTES + (self._max_bytes if scope["path"].startswith("/play") else 0)
            try:
                body = await read_body(scope, receive, max_bytes=max_bytes)
            except errors.TooLarge:
                where = {"HX-Retarget": "#problem", "HX-Reswap": "innerHTML"}  # beside the playground's form
                await HTMLResponse("<p>Request too large</p>", 413, where)(scope, _no_body, send)
                return
            except ClientDisconnect:
                return
            receive = giving(body)
        if scope["type"] == "http" and not _is_plain(scope, body):
            await self._refuse(scope, send, 0)
            return
        await self.app({**scope, "headers": told, "all_headers": headers}, receive, send)


async def _no_body() -> Any:
    await asyncio.sleep(0)
    return {"type": "http.request", "body": b"", "more_body": False}


def _is_plain(scope: Scope, body: bytes) -> bool:
    """Whether asgi-csrf can read the request at all: it raises where a token, a cookie or a form is no ASCII or UTF-8."""
    headers = dict(scope["headers"])
    try:
        headers.get(b"x-csrftoken", b"").decode("ascii")
        headers.get(b"cookie", b"").decode("ascii")
        if headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
            dict(parse_qsl(body.decode("utf-8"))).get("csrftoken", "").encode("ascii")
    except UnicodeError:
        return False
    return True


def _policy(core: Core) -> str:
    """Nothing but our own files, and pictures from where the object store serves them."""
    pictures = urlsplit(core.objects.url("check/policy"))
    images = f"'self' data: blob: {pictures.scheme}://{pictures.netloc}"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
