"""Caller of a request with an API key: authenticated once, before its body is read where that may be dear."""

from starlette.types import Scope

from imgen.asgi.answer_headers import answer_context
from imgen.asgi.endpoint import bearer_key, is_short, remote_ip
from imgen.domain.principal import Principal, hash_key
from imgen.services.accounts import authentication
from imgen.services.core import Core

SHORT_BODY_BYTES = 64 * 1024
"""Length of a body that may be read first: a known key's poll then reads key and job in one round trip."""


class Caller:
    """Caller of one request."""

    def __init__(self, core: Core, scope: Scope) -> None:
        """Takes the key from the request's head.

        Raises:
            Unauthorized: there is none.
        """
        self._core = core
        self._scope = scope
        self._key_hash = hash_key(bearer_key(scope))
        self._principal: Principal | None = None

    async def before_body(self) -> None:
        """Authenticates, unless the key was valid a moment ago and the body is short.

        Raises:
            InvalidKey, KeyDisabled, RateLimited: see `authenticate`.
        """
        if not is_short(self._scope, SHORT_BODY_BYTES) or not authentication.is_known(self._core, self._key_hash):
            await self.principal()

    async def principal(self, *, scope: str = "") -> Principal:
        """Returns the principal; the request is counted once.

        Raises:
            InvalidKey, KeyDisabled, RateLimited: see `authenticate`.
            OutOfScope: it lacks the scope.
        """
        if self._principal is None:
            self._principal = await authentication.authenticate(
                self._core,
                self._key_hash,
                remote_ip=remote_ip(self._scope),
                note=answer_context(self._scope).note_rate,
            )
        self._principal.require(scope)
        return self._principal
