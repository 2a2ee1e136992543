"""Authorization: what an application asks a person for, what the person has allowed before, and the code that says so."""

import secrets
from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.account import Tenant
from imgen.domain.errors import (
    Forbidden,
    Invalid,
    InvalidClient,
    InvalidRedirectUri,
    OAuthError,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from imgen.domain.oauth.clients import (
    AUTHORIZATION_CODE,
    MAX_CLIENT_ID_CHARS,
    Client,
    check_redirect_uri,
    is_document,
    is_loopback,
)
from imgen.domain.oauth.grants import (
    CODE,
    S256,
    Grant,
    hash_token,
    is_challenge,
    new_token,
    parse_resource,
    parse_scopes,
)
from imgen.domain.user import User
from imgen.outgoing.client import OutgoingClient
from imgen.records import audit, memberships, oauth_clients, oauth_connections, oauth_tokens, tenants
from imgen.records.oauth_tokens import Code
from imgen.services.accounts import members, tries
from imgen.services.core import Core
from imgen.services.oauth import documents

FIELDS = (
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "code_challenge", "code_challenge_method",
    "resource", "prompt", "request", "request_uri",
)  # fmt: skip
"""Fields of a request that are looked at; none may be sent twice."""
MAX_STATE_CHARS = 1000
CODES_BY_PERSON = 100
"""Codes within a quarter of an hour: what was allowed before gives one to whoever has the browser ask."""


class Recipient(Struct, frozen=True, kw_only=True):
    """Application that asks, and the address that its answer goes to."""

    client: Client
    redirect_uri: str


class AuthorizationRequest(Struct, frozen=True, kw_only=True):
    """Request of an application."""

    recipient: Recipient
    scopes: tuple[str, ...]
    resource: str
    challenge: str
    is_prompted: bool
    """Whether it wants the person to be asked in any case."""

    @property
    def is_proven(self) -> bool:
        """Returns whether nobody else can ask in the application's name.

        The id of a metadata document is public, and at a loopback address any program can wait for its codes (RFC 8252, section
        8.6). A registered client's id is known to it alone.
        """
        return not (self.recipient.client.is_document and is_loopback(self.recipient.redirect_uri))


async def recipient_of(
    core: Core, sent: Mapping[str, str], *, user_id: str, client: OutgoingClient | None = None
) -> Recipient:
    """Finds the application of a request. Until it is known, nothing may be redirected.

    Args:
        core: the core.
        sent: fields of the request, each once.
        user_id: the signed-in person.
        client: see `documents.find`.

    Raises:
        InvalidClient, OAuthError, RateLimited: there is no such application, or see `documents.find`.
        InvalidRedirectUri: the redirect URI is none of the application's.
    """
    client_id, redirect_uri = sent.get("client_id", ""), sent.get("redirect_uri", "")
    if is_document(client_id):
        found: Client | None = await documents.find(core, client_id, user_id=user_id, client=client)
    else:
        found = await core.database.reading(oauth_clients.find, client_id[:MAX_CLIENT_ID_CHARS])
    if found is None:
        raise InvalidClient("There is no such application. It has to register again")
    if not redirect_uri and len(found.redirect_uris) == 1:
        redirect_uri = found.redirect_uris[0]
    if not found.redirects_to(redirect_uri):
        raise InvalidRedirectUri("The address to go back to is none of the application's")
    check_redirect_uri(redirect_uri)
    return Recipient(client=found, redirect_uri=redirect_uri)


def parse(sent: Mapping[str, str], recipient: Recipient, *, base: str) -> AuthorizationRequest:
    """Parses the rest of a request; its errors go to the application.

    Args:
        sent: fields of the request, each once.
        recipient: the application.
        base: URL of this server.

    Raises:
        OAuthError: a field is missing or wrong; its class says which error it is.
    """
    client = recipient.client
    if sent.get("request") or sent.get("request_uri"):
        raise OAuthError("Requests are sent as fields of the query alone")
    if sent.get("response_type") != "code":
        raise UnsupportedResponseType
    if AUTHORIZATION_CODE not in client.grant_types:
        raise UnauthorizedClient
    if sent.get("response_mode", "query") != "query":
        raise OAuthError("response_mode is query")
    if sent.get("code_challenge_method") != S256 or not is_challenge(sent.get("code_challenge", "")):
        raise OAuthError("PKCE is needed: a code_challenge with code_challenge_method=S256")
    if len(sent.get("state", "")) > MAX_STATE_CHARS:
        raise OAuthError("state is too long")
    return AuthorizationRequest(
        recipient=recipient,
        scopes=parse_scopes(sent.get("scope", ""), client.scopes),
        resource=parse_resource(sent.get("resource", ""), base),
        challenge=sent["code_challenge"],
        is_prompted="consent" in sent.get("prompt", "").split(),
    )


async def remembered_tenant(core: Core, user: User, request: AuthorizationRequest) -> str:
    """Returns the tenant for which a person has allowed all of this before; empty: the person has to be asked."""
    if request.is_prompted or not request.is_proven:
        return ""
    allowed = await core.database.reading(
        oauth_connections.allowed_scopes, request.recipient.client.id, user_id=user.id, resource=request.resource
    )
    good = [one for one, scopes in allowed.items() if one in user.tenant_ids and scopes >= set(request.scopes)]
    return good[0] if len(good) == 1 else ""


async def allow(core: Core, user: User, request: AuthorizationRequest, tenant_id: str) -> str:
    """Allows an application what it asks for, within a tenant; returns the raw code.

    Args:
        core: the core.
        user: the person.
        request: of the application.
        tenant_id: one of the person's; empty: the person has none, and gets one on the plan of sign-ups.

    Raises:
        Forbidden: the person does not belong to the tenant, or may own none.
        Invalid: the person has answered at the same moment.
        RateLimited: the person has got too many codes a moment ago.
    """
    await tries.count_if_possible(core, f"oauth-code:{user.id}", limit=CODES_BY_PERSON)
    raw, now, recipient = new_token(CODE), core.clock(), request.recipient

    def write(connection: Connection) -> None:
        tenant = _tenant(connection, core, user, tenant_id)
        connection_id = oauth_connections.connect(
            connection,
            recipient.client,
            user_id=user.id,
            tenant_id=tenant.id,
            scopes=request.scopes,
            resource=request.resource,
            now=now,
        )
        grant = Grant(
            connection_id=connection_id,
            client_id=recipient.client.id,
            user_id=user.id,
            tenant_id=tenant.id,
            scopes=request.scopes,
            resource=request.resource,
        )
        code = Code(
            hash=hash_token(raw),
            family_id="fam_" + secrets.token_hex(16),
            grant=grant,
            redirect_uri=recipient.redirect_uri,
            challenge=request.challenge,
        )
        oauth_tokens.add_code(connection, code, now=now)
        oauth_clients.note_used(connection, recipient.client.id, now=now)
        detail = {"name": recipient.client.name, "client": recipient.client.id, "scopes": request.scopes}
        audit.by_person(
            connection, user, action="allowed application", tenant_id=tenant.id, subject=connection_id, detail=detail
        )

    try:
        await core.database.writing(write)
    except IntegrityError as exc:  # the same person, twice at once
        raise Invalid("This was answered a moment ago; start again from the application") from exc
    return raw


def _tenant(connection: Connection, core: Core, user: User, tenant_id: str) -> Tenant:
    if not tenant_id:
        return memberships.default_tenant(connection, user) or members.add_tenant(
            connection, core, user, members.free_name(connection, user)
        )
    tenants.require(connection, tenant_id)
    tenant = tenants.find_tenant_by_id(connection, tenant_id)
    if tenant is None or not memberships.role_of(connection, user.id, tenant_id):
        raise Forbidden
    return tenant
