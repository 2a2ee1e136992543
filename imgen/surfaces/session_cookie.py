"""Cookie of the web face's sessions, for surfaces beside it: read, never written."""

import base64
import binascii
import json

import itsdangerous
from starlette.requests import HTTPConnection
from starlette.types import Scope

from imgen.records import installation
from imgen.services.accounts import sessions
from imgen.services.core import Core
from imgen.threads import LOADING

COOKIE = "imgen_session"


class SessionCookies:
    """Cookies of requests to one process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._signer: itsdangerous.TimestampSigner | None = None

    async def token(self, scope: Scope) -> str:
        """Returns the session's token of a request; empty: it has no cookie of ours."""
        sent = HTTPConnection(scope).cookies.get(COOKIE, "")
        if not sent:
            return ""
        if self._signer is None:
            secret = await LOADING.run(installation.secret, self._core.database, installation.WEB)
            self._signer = itsdangerous.TimestampSigner(secret.hex())
        try:  # as starlette.middleware.sessions writes it
            kept = json.loads(base64.b64decode(self._signer.unsign(sent, max_age=sessions.SESSION_S)))
        except (itsdangerous.BadData, binascii.Error, ValueError, RecursionError):
            return ""
        return str(kept.get("token", "")) if isinstance(kept, dict) else ""
