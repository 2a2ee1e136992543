"""CSRF protection of every change, and the size limit of forms."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from asgi_csrf import asgi_csrf
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from imgen.asgi.endpoint import is_short, read_body, replay_body
from imgen.domain import errors

MAX_FORM_BYTES = 64 * 1024
UPLOAD_PATH = "/play/upload"
"""Path whose body is a file: only its endpoint reads it, so the token must be in a header."""
PICTURE_PATHS = frozenset({"/verify", "/panel/pictures"})
"""Paths whose forms have a file and work without scripts: their endpoints read them, and check the token (sent_picture.py)."""
MAKING = ("/play", "/studio")
"""Beginnings of the paths whose forms may be long: prompts, and files in those of the playground."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class _Everything:
    """Container that has every path."""

    def __contains__(self, _path: object) -> bool:
        return True


class Csrf:
    """Middleware: asgi-csrf with its settings, as a class for Starlette's list.

    Its multipart parser conflicts with Starlette's, so the content type of multipart bodies is hidden from it, and that of an
    upload, lest it read the body; such requests need the token in a header.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        secret: str,
        is_tls: bool,
        max_bytes: int,
        is_signed_in: Callable[[Scope], Awaitable[bool]],
        refuse: Any,
    ) -> None:
        self._max_bytes = max_bytes
        self._is_signed_in = is_signed_in

        async def passed(scope: Scope, receive: Any, send: Send) -> None:
            await app({**scope, "headers": scope["all_headers"]}, receive, send)

        self._refuse = refuse
        self.app = asgi_csrf(
            passed,
            signing_secret=secret,
            always_protect=_Everything(),
            cookie_secure=is_tls,
            skip_if_scope=lambda scope: scope["path"] in PICTURE_PATHS,
            send_csrf_failed=refuse,
        )

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Passes reads, and changes that have the token."""
        headers, is_file = scope["headers"], scope["path"] == UPLOAD_PATH or scope["path"] in PICTURE_PATHS
        hidden = b"" if is_file else b"multipart/"
        shown = [one for one in headers if one[0] != b"content-type" or not one[1].strip().lower().startswith(hidden)]
        body = b""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and not is_file:
            try:
                body = await self._body(scope, receive)
            except errors.TooLarge:
                where = {"HX-Retarget": "#problem", "HX-Reswap": "innerHTML"}  # beside the playground's form
                await HTMLResponse("<p>Request too large</p>", 413, where)(scope, no_body, send)
                return
            except errors.Unauthorized:
                await Response(status_code=401, headers={"HX-Redirect": "/sign-in"})(scope, no_body, send)
                return
            except ClientDisconnect:
                return
            receive = replay_body(body, receive)
        if scope["type"] == "http" and not _is_plain(scope, body):
            await self._refuse(scope, send, 0)
            return
        await self.app({**scope, "headers": shown, "all_headers": headers}, receive, send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Reads the body. Of a page that makes pictures it may be long, which a stranger's may not.

        Raises:
            TooLarge: it is over the limit.
            Unauthorized: it is a long one of such a page without a session.
        """
        if not scope["path"].startswith(MAKING) or is_short(scope, MAX_FORM_BYTES):
            return await read_body(scope, receive, max_bytes=MAX_FORM_BYTES)
        if not await self._is_signed_in(scope):
            raise errors.Unauthorized
        return await read_body(scope, receive, max_bytes=MAX_FORM_BYTES + self._max_bytes)


async def no_body() -> Any:
    """Receives an empty body."""
    await asyncio.sleep(0)
    return {"type": "http.request", "body": b"", "more_body": False}


def _is_plain(scope: Scope, body: bytes) -> bool:
    """Returns whether asgi-csrf can decode the request: it raises if a token, a cookie or a form is not ASCII or UTF-8."""
    headers = dict(scope["headers"])
    try:
        headers.get(b"x-csrftoken", b"").decode("ascii")
        headers.get(b"cookie", b"").decode("ascii")
        if headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
            dict(parse_qsl(body.decode("utf-8"))).get("csrftoken", "").encode("ascii")
    except UnicodeError:
        return False
    return True
