"""Consent: the page at which a person allows an application to act within a tenant, and the answer to the application.

Nothing is looked up, and nobody is redirected anywhere, before the person is signed in. Each form has the whole request, which is
checked again when it comes back: what is allowed is what was shown.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.oauth.clients import is_loopback
from imgen.domain.oauth.grants import ALL, FORGE, MCP
from imgen.domain.principal import GENERATE, READ
from imgen.domain.user import User
from imgen.records import memberships
from imgen.services.oauth import authorization
from imgen.services.oauth.authorization import AuthorizationRequest, Recipient
from imgen.surfaces.public_address import base_of
from imgen.surfaces.surface import status_of
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import AUTHORIZE, Shell

SCOPE_WORDS: Mapping[str, str] = {
    GENERATE: "Make pictures, at the cost of this tenant's plan",
    READ: "See this tenant's jobs, pictures and use",
}
"""Scope → its meaning for people."""
RESOURCE_WORDS: Mapping[str, str] = {
    ALL: "all programs' interfaces of this server",
    MCP: "the tools for agents alone",
    FORGE: "the interface Forge alone",
}
"""Resource → its meaning for people."""
_REFUSALS = (errors.Invalid, errors.Forbidden, errors.RateLimited)


class Consent:
    """Section of the page."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route(AUTHORIZE, signed_in(self.ask), methods=["GET"]),
            Route(AUTHORIZE, signed_in(self.decide), methods=["POST"]),
        ]

    async def ask(self, request: Request, user: User) -> Response:
        """Asks the person, or answers at once where all of it was allowed before."""
        core, pairs = self._shell.core, request.query_params.multi_items()
        try:
            sent = _fields(pairs)
            recipient = await self._recipient(sent, user)
        except _REFUSALS as exc:
            return self._refused(request, exc)
        try:
            asked = authorization.parse(sent, recipient, base=base_of(core.settings, request.scope))
            tenant_id = await authorization.remembered_tenant(core, user, asked)
            if tenant_id:
                code = await authorization.allow(core, user, asked, tenant_id)
                return self._answer(request, recipient, sent, code=code)
        except errors.OAuthError as exc:
            return self._failed(request, recipient, sent, exc)
        except _REFUSALS as exc:
            return self._refused(request, exc)
        return await self._page(request, user, sent, asked)

    async def decide(self, request: Request, user: User) -> Response:
        """Answers the application as the person decided."""
        core, form = self._shell.core, await form_of(request)
        pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        try:
            sent = _fields(pairs)
            if form.get("person") != user.id:
                raise errors.Invalid("This page was shown to somebody else; start again from the application")
            recipient = await self._recipient(sent, user)
        except _REFUSALS as exc:
            return self._refused(request, exc)
        try:
            asked = authorization.parse(sent, recipient, base=base_of(core.settings, request.scope))
            if form.get("decision") != "allow":
                raise errors.AccessDenied
            code = await authorization.allow(core, user, asked, str(form.get("tenant", "")))
        except errors.OAuthError as exc:
            return self._failed(request, recipient, sent, exc)
        except _REFUSALS as exc:
            return self._refused(request, exc)
        return self._answer(request, recipient, sent, code=code)

    async def _recipient(self, sent: Mapping[str, str], user: User) -> Recipient:
        core = self._shell.core
        return await authorization.recipient_of(core, sent, user_id=user.id, client=core.outgoing)

    async def _page(
        self, request: Request, user: User, sent: Mapping[str, str], asked: AuthorizationRequest
    ) -> Response:
        core, recipient = self._shell.core, asked.recipient
        own = await core.database.reading(memberships.tenants_of, user.id)
        return self._shell.page(
            request,
            "consent.html",
            policy=self._shell.policy_towards(f"'self' {_targets(recipient.redirect_uri)}"),
            client=recipient.client,
            goes_to="" if is_loopback(recipient.redirect_uri) else urlsplit(recipient.redirect_uri).netloc,
            scopes=[SCOPE_WORDS[scope] for scope in asked.scopes],
            resource=RESOURCE_WORDS[asked.resource],
            tenants=[one.tenant for one in own],
            new_plan=core.plan_of(core.settings.accounts.sign_up_plan).label,
            sent=sent,
        )

    def _refused(self, request: Request, exc: errors.ImgenError) -> Response:
        """Shows an error that no application may be told: it is not known, or has another address."""
        return self._shell.page(
            request,
            "error.html",
            status=status_of(type(exc)),
            title="This application cannot be connected",
            text=str(exc),
        )

    def _failed(
        self, request: Request, recipient: Recipient, sent: Mapping[str, str], exc: errors.OAuthError
    ) -> Response:
        return self._answer(request, recipient, sent, error=exc.code, error_description=str(exc))

    def _answer(self, request: Request, recipient: Recipient, sent: Mapping[str, str], **told: str) -> Response:
        """Redirects to the application, which learns who answers as well (RFC 9207)."""
        issuer = base_of(self._shell.core.settings, request.scope)
        state = {"state": sent["state"]} if "state" in sent else {}
        parts = urlsplit(recipient.redirect_uri)
        query = urlencode(
            [*parse_qsl(parts.query, keep_blank_values=True), *({**told, **state, "iss": issuer}).items()]
        )
        headers = self._shell.headers() | {"Referrer-Policy": "no-referrer"}
        return RedirectResponse(parts._replace(query=query).geturl(), 303, headers)


def _fields(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Returns the fields of a request; empty ones were not sent (RFC 6749, section 3.1).

    Raises:
        OAuthError: one was sent twice.
    """
    known = [(name, value) for name, value in pairs if name in authorization.FIELDS and value]
    if len(dict(known)) != len(known):
        raise errors.OAuthError("A field was sent twice")
    return dict(known)


def _targets(redirect_uri: str) -> str:
    """Returns the addresses that the form may lead to: browsers hold all redirects to the policy, the application's as well."""
    parts = urlsplit(redirect_uri)
    if parts.scheme == "https":
        return "https:"
    is_ipv6 = ":" in (parts.hostname or "")  # which no policy can name
    return "https: http:" if is_ipv6 else f"https: http://{parts.netloc}"
