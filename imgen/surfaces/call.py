"""Call of a REST surface: its body, and its caller, who has an API key in either header, a session, or nothing but an address."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import structs
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from imgen.asgi.answer_headers import answer_context
from imgen.asgi.endpoint import (
    AUTHORIZATION,
    X_API_KEY,
    Answer,
    Endpoint,
    read_body,
    remote_ip,
    sent_key,
)
from imgen.asgi.presence import disconnection
from imgen.domain.credential import AddressCredential, Credential, KeyCredential, secret_credential
from imgen.domain.errors import Forbidden, ImgenError, InvalidToken, OutOfScope, Unauthorized
from imgen.domain.principal import SCOPES, Kind, Principal, hash_key
from imgen.domain.user import User
from imgen.services.accounts import authentication, sessions
from imgen.services.core import Core
from imgen.surfaces.acting import acting
from imgen.surfaces.idempotency_key import idempotency_key
from imgen.surfaces.public_address import base_of, challenge
from imgen.surfaces.session_cookie import SessionCookies

KEY_HEADERS = (AUTHORIZATION, X_API_KEY)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Call:
    """Call of one route."""

    def __init__(
        self,
        core: Core,
        cookies: SessionCookies,
        scope: Scope,
        receive: Receive,
        *,
        surface: str,
        serves_anonymous: bool = False,
        resource: str | None = None,
    ) -> None:
        """Takes a request of a surface.

        Args:
            core: the core.
            cookies: of sessions.
            scope: the request's head.
            receive: reads its body.
            surface: name that plans have for the surface.
            serves_anonymous: whether it may serve callers without a credential, where the server is set so.
            resource: resource that access tokens must be good for; None: the surface takes none.
        """
        self.core = core
        self.scope = scope
        self.receive = receive
        self._cookies = cookies
        self.surface = surface
        self._serves_anonymous = serves_anonymous
        self._resource = resource
        self._principal: Principal | None = None

    @property
    def is_anonymous(self) -> bool:
        """Returns whether the caller is known to have no credential."""
        return self._principal is not None and self._principal.kind is Kind.ANONYMOUS

    def path(self, name: str) -> str:
        """Returns a part of the path by its name in the route."""
        return str(self.scope["path_params"][name])

    async def principal(self, *, needs: str = "") -> Principal:
        """Authenticates the caller; the call is counted once.

        Args:
            needs: the scope that the route needs; empty: none.

        Raises:
            Unauthorized, InvalidKey, KeyDisabled, RateLimited: see `authenticate`; anonymous callers may not be served.
            Forbidden: a session without its CSRF token, or for a tenant of others.
            SurfaceNotInPlan: the tenant's plan does not include the surface.
            OutOfScope: the caller lacks the scope.
        """
        if self._principal is None:
            self._principal = await authentication.authenticate(
                self.core,
                await self._credential(),
                remote_ip=remote_ip(self.scope),
                note=answer_context(self.scope).note_rate,
            )
        self.core.plan_of(self._principal.tenant.plan).require_surface(self.surface)
        self._principal.require(needs)
        return self._principal

    async def user(self) -> User:
        """Returns the signed-in user.

        Raises:
            Unauthorized: there is none, or the password has to be changed first.
            Forbidden: a call that changes something lacks its CSRF token.
            RateLimited: as for `person`.
        """
        user = None if self.has_key else await self.person()
        if user is None:
            raise Unauthorized
        return user

    async def person(self) -> User | None:
        """Returns the user of the session's cookie, and counts the call; None: there is no session.

        Raises:
            Unauthorized, Forbidden: as for `user`; or the session has ended.
            RateLimited: more requests in a minute than the plan allows.
        """
        user = await self._signed_in()
        if user is not None:
            await authentication.count_person(self.core, user, note=answer_context(self.scope).note_rate)
        return user

    @property
    def has_key(self) -> bool:
        """Returns whether a key was sent, in whatever form."""
        return any(name in KEY_HEADERS for name, _ in self.scope["headers"])

    async def body(self) -> bytes:
        """Reads the body.

        Raises:
            TooLarge: it is over the limit.
        """
        max_bytes = int(self.core.settings.http.max_body_mib * 1024 * 1024)
        return await read_body(self.scope, self.receive, max_bytes=max_bytes)

    async def while_connected(self, work: Awaitable[object]) -> None:
        """Awaits something as long as the client is there.

        Raises:
            starlette.requests.ClientDisconnect: it has gone away; the work is given up.
        """
        gone = asyncio.ensure_future(disconnection(self.receive))
        done = asyncio.ensure_future(work)
        try:
            await asyncio.wait((gone, done), return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                raise ClientDisconnect
            await done
        finally:
            gone.cancel()
            done.cancel()

    def challenge(self, error: ImgenError) -> dict[str, str]:
        """Returns the header of a failure that leads OAuth clients to the authorization server; none for other failures."""
        if self._resource is None:
            return {}
        if isinstance(error, InvalidToken):
            reason = "invalid_token"
        elif isinstance(error, OutOfScope) and self._is_application:
            reason = "insufficient_scope"
        elif type(error) is Unauthorized:
            reason = ""
        else:
            return {}
        base = base_of(self.core.settings, self.scope)
        return {"WWW-Authenticate": challenge(base, self._resource, " ".join(SCOPES), error=reason)}

    @property
    def _is_application(self) -> bool:
        return self._principal is not None and self._principal.kind is Kind.CONNECTED_APP

    def idempotency_key(self) -> str:
        """Returns the idempotency key of the header; empty: there is none.

        Raises:
            InvalidField: the header holds no key, or there are different ones.
        """
        return idempotency_key(self.scope)

    async def _credential(self) -> Credential:
        if self.has_key:
            raw = sent_key(self.scope, KEY_HEADERS)
            is_plain = any(name == X_API_KEY for name, _ in self.scope["headers"])
            if self._resource is None or is_plain:  # access tokens come as Bearer alone
                return KeyCredential(hash_key(raw))
            return secret_credential(raw, resource=self._resource)
        user = await self._signed_in()
        if user is None and self._serves_anonymous:
            return AddressCredential(remote_ip(self.scope))
        if user is None:
            raise Unauthorized
        return acting(self.scope, user)

    async def _signed_in(self) -> User | None:
        """Returns the user of the session's cookie; None: there is no session.

        Raises:
            Unauthorized: the session has ended, or the password has to be changed first.
            Forbidden: a call that changes something lacks its CSRF token.
        """
        token = await self._cookies.token(self.scope)
        if not token:
            return None
        user = await sessions.signed_in(self.core, token)
        if user is None or user.must_change_password:
            raise Unauthorized
        if self.scope["method"] not in SAFE_METHODS and not await self._cookies.has_csrf_token(self.scope):
            raise Forbidden("The header x-csrftoken has to repeat the cookie csrftoken")
        return structs.replace(user, remote_ip=remote_ip(self.scope))


def endpoint(
    core: Core,
    cookies: SessionCookies,
    handler: Callable[[Call], Awaitable[Answer]],
    *,
    surface: str,
    failed: Callable[[ImgenError, Call], Answer],
    serves_anonymous: bool = False,
    resource: str | None = None,
) -> Endpoint:
    """Makes the ASGI application of a route; `failed` answers errors in the form of the surface."""

    async def answer(scope: Scope, receive: Receive) -> Answer:
        call = Call(
            core, cookies, scope, receive, surface=surface, serves_anonymous=serves_anonymous, resource=resource
        )
        try:
            return await handler(call)
        except ImgenError as exc:
            status, body, headers = failed(exc, call)
            return status, body, {**headers, **call.challenge(exc)}

    return Endpoint(answer)
