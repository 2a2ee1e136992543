"""Cookies of the web face, its session's and its CSRF token, for surfaces beside it: read, never written."""

import base64
import binascii
import json
import secrets

import itsdangerous
from starlette.requests import HTTPConnection
from starlette.types import Scope

from imgen.asgi.endpoint import header
from imgen.domain.errors import Unauthorized
from imgen.records import installation
from imgen.services.accounts import sessions
from imgen.services.core import Core
from imgen.threads import LOADING

COOKIE = "imgen_session"
CSRF_COOKIE, CSRF_HEADER = "csrftoken", b"x-csrftoken"
"""Cookie and header of the token, which asgi-csrf signs."""


class SessionCookies:
    """Cookies of requests to one process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._secret = ""

    async def token(self, scope: Scope) -> str:
        """Returns the session's token of a request; empty: it has no cookie of ours, or one of a visitor who is not signed in.

        Raises:
            Unauthorized: the cookie has expired, or is forged.
        """
        sent = HTTPConnection(scope).cookies.get(COOKIE, "")
        if not sent:
            return ""
        signer = itsdangerous.TimestampSigner(await self._read_secret())
        try:  # as starlette.middleware.sessions writes it
            kept = json.loads(base64.b64decode(signer.unsign(sent, max_age=sessions.SESSION_S)))
        except (itsdangerous.BadData, binascii.Error, ValueError, RecursionError) as exc:
            raise Unauthorized from exc
        return str(kept.get("token", "")) if isinstance(kept, dict) else ""

    async def has_csrf_token(self, scope: Scope) -> bool:
        """Returns whether the header of a request repeats its CSRF cookie, which this server signed."""
        cookie = HTTPConnection(scope).cookies.get(CSRF_COOKIE, "")
        if not secrets.compare_digest(cookie.encode(), header(scope, CSRF_HEADER).encode()):
            return False
        try:
            itsdangerous.URLSafeSerializer(await self._read_secret()).loads(cookie, CSRF_COOKIE)
        except itsdangerous.BadData:
            return False
        return True

    async def _read_secret(self) -> str:
        if not self._secret:
            secret = await LOADING.run(installation.secret, self._core.database, installation.WEB)
            self._secret = secret.hex()
        return self._secret
