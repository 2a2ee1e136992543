"""Caller of a request with an API key: authenticated once, before its body is read where that may be dear."""

from collections.abc import Awaitable, Callable, Collection

from starlette.types import Scope

from imgen.asgi.answer_headers import answer_context
from imgen.asgi.endpoint import AUTHORIZATION, is_short, remote_ip, sent_key
from imgen.domain.credential import KeyCredential
from imgen.domain.errors import Forbidden, Retryable, Unauthorized
from imgen.domain.principal import Principal, hash_key
from imgen.services.accounts import authentication, known_keys
from imgen.services.core import Core
from imgen.surfaces.idempotency_key import idempotency_key

SHORT_BODY_BYTES = 64 * 1024
"""Length of a body that may be read first: a known key's poll then reads key and job in one round trip."""


class Caller:
    """Caller of one request."""

    def __init__(
        self, core: Core, scope: Scope, *, surface: str, key_headers: Collection[bytes] = (AUTHORIZATION,)
    ) -> None:
        """Takes the key of a request of a surface from its head; an empty surface is one that every plan includes.

        Raises:
            Unauthorized: there is none, or there are different ones.
        """
        self._core = core
        self._scope = scope
        self._surface = surface
        self._credential = KeyCredential(hash_key(sent_key(scope, key_headers)))
        self._principal: Principal | None = None

    async def before_body(self) -> None:
        """Authenticates, unless the key was valid a moment ago and the body is short.

        Raises:
            InvalidKey, KeyDisabled, RateLimited: see `authenticate`.
            SurfaceNotInPlan: its tenant's plan does not include the surface.
        """
        key_hash = self._credential.key_hash
        if not is_short(self._scope, SHORT_BODY_BYTES) or not known_keys.is_known(self._core, key_hash):
            await self.principal()

    async def principal(self, *, scope: str = "") -> Principal:
        """Returns the principal; the request is counted once.

        Raises:
            InvalidKey, KeyDisabled, RateLimited: see `authenticate`.
            SurfaceNotInPlan: its tenant's plan does not include the surface.
            OutOfScope: it lacks the scope.
        """
        if self._principal is None:
            self._principal = await authentication.authenticate(
                self._core,
                self._credential,
                remote_ip=remote_ip(self._scope),
                note=answer_context(self._scope).note_rate,
            )
        if self._surface:
            self._core.plan_of(self._principal.tenant.plan).require_surface(self._surface)
        self._principal.require(scope)
        return self._principal

    def idempotency_key(self) -> str:
        """Returns the request's idempotency key; empty: it has none.

        Raises:
            InvalidField: the header holds no key, or there are different ones.
        """
        return idempotency_key(self._scope)

    def may_still(self, scope: str) -> Callable[[], Awaitable[bool]]:
        """Returns a function that tells whether the key may still act with a scope, for long answers; it counts nothing."""

        async def may() -> bool:
            try:
                principal = await authentication.authenticate_again(self._core, self._credential)
                if self._surface:
                    self._core.plan_of(principal.tenant.plan).require_surface(self._surface)
                principal.require(scope)
            except (Unauthorized, Forbidden):
                return False
            except Retryable:  # not known now
                return True
            return True

        return may
