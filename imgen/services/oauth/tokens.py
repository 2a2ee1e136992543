"""Tokens: given for a code, given anew for a refresh token, revoked.

A refresh token is good once (RFC 9700, section 4.14.2). Programs share tokens between processes, and answers get lost: one that
was rotated away a moment ago still gives an access token, and no refresh token; later it is taken for stolen and ends its family.
"""

from collections.abc import Callable
from enum import Enum

from msgspec import Struct, structs
from sqlalchemy import Connection

from imgen.domain.errors import InvalidGrant, InvalidTarget
from imgen.domain.oauth.clients import REFRESH_TOKEN, Client
from imgen.domain.oauth.grants import (
    ACCESS,
    GRACE_S,
    REFRESH,
    Grant,
    covers,
    hash_token,
    new_token,
    parse_scopes,
    proves,
)
from imgen.records import audit, oauth_connections, oauth_tokens
from imgen.records.oauth_tokens import Code, Token
from imgen.services.accounts import known_keys, tries
from imgen.services.core import Core

REFRESHES_BY_CONNECTION = 100
"""Access tokens for refresh tokens of one connected application within a quarter of an hour: each is a row that stays."""


class Issued(Struct, frozen=True, kw_only=True):
    """Tokens as they are told."""

    access_token: str
    refresh_token: str
    """Empty: none is given."""
    scopes: tuple[str, ...]


class _Refusal(Enum):
    """Reason for giving no token; the transaction is committed all the same."""

    UNKNOWN = "unknown"
    ENDED = "ended"
    """The family of tokens was ended now, and was not before."""


async def exchange(
    core: Core, client: Client, *, code: str, verifier: str, redirect_uri: str, resource: str | None
) -> Issued:
    """Gives tokens for a code. A code that comes again ends what it gave.

    Args:
        core: the core.
        client: has proven itself.
        code: as sent.
        verifier: proof that the code is the sender's own.
        redirect_uri: where it was sent to; empty: not said, as in OAuth 2.1.
        resource: one of RESOURCES that the access token is to be for; None: as was allowed.

    Raises:
        InvalidGrant: the code is unknown, expired, used, of another client or redirect URI, or not proven.
        InvalidTarget: the resource is more than was allowed.
    """
    now, code_hash = core.clock(), hash_token(code)
    issue = _issuer(client, now)
    known = await core.database.reading(oauth_tokens.find_code, code_hash)
    if known is None or known.grant.client_id != client.id:
        raise InvalidGrant

    def write(connection: Connection) -> Issued | _Refusal:
        is_good = oauth_connections.lock(connection, known.grant.connection_id)
        found = oauth_tokens.find_code(connection, code_hash)
        if found is None:
            return _Refusal.UNKNOWN
        if found.used_at is not None:
            return _end(connection, found, client, "a code came again")
        is_for = redirect_uri in ("", found.redirect_uri) and found.expires_at > now
        if not (is_good and is_for and proves(verifier, found.challenge)):
            return _Refusal.UNKNOWN
        granted = _for_resource(found.grant, resource)
        oauth_tokens.use_code(connection, found, now=now)
        return issue(connection, found.family_id, granted, found.grant)

    return await _told(core, write)


async def refresh(core: Core, client: Client, *, token: str, scope: str, resource: str | None) -> Issued:
    """Gives an access token for a refresh token, and a new refresh token if it was the latest of its family.

    Args:
        core: the core.
        client: has proven itself.
        token: the refresh token as sent.
        scope: fewer scopes for the access token; empty: as were allowed.
        resource: as for `exchange`.

    Raises:
        InvalidGrant: the token is unknown, expired, ended, of another client, or was rotated away too long ago.
        InvalidScope: a scope is more than was allowed.
        InvalidTarget: the resource is more than was allowed.
        RateLimited: the application has got too many tokens a moment ago.
    """
    now, token_hash = core.clock(), hash_token(token)
    issue = _issuer(client, now)
    known = await core.database.reading(oauth_tokens.find_token, token_hash)
    if known is None or known.kind != REFRESH or known.grant.client_id != client.id:
        raise InvalidGrant
    connection_id = known.grant.connection_id
    await tries.count_if_possible(core, f"oauth-refresh:{connection_id}", limit=REFRESHES_BY_CONNECTION)

    def write(connection: Connection) -> Issued | _Refusal:
        is_good = oauth_connections.lock(connection, connection_id)
        found = oauth_tokens.find_token(connection, token_hash)
        if found is None or not is_good:
            return _Refusal.UNKNOWN
        if found.rotated_at is not None and now - found.rotated_at > GRACE_S:
            return _end(connection, found, client, "a refresh token came again")
        if found.expires_at <= now:
            return _Refusal.UNKNOWN
        granted = structs.replace(found.grant, scopes=parse_scopes(scope, found.grant.scopes))
        granted = _for_resource(granted, resource)
        is_latest = oauth_tokens.rotate(connection, found, now=now)
        return issue(connection, found.family_id, granted, found.grant if is_latest else None)

    return await _told(core, write)


async def revoke(core: Core, client: Client, token: str) -> None:
    """Revokes a token of a client: an access token alone, a refresh token with its family. An unknown one is none already."""
    found = await core.database.reading(oauth_tokens.find_token, hash_token(token))
    if found is None or found.grant.client_id != client.id:
        return

    def write(connection: Connection) -> None:
        oauth_connections.lock(connection, found.grant.connection_id)
        if found.kind == REFRESH:
            oauth_tokens.end_family(connection, found.family_id)
        else:
            oauth_tokens.delete_token(connection, found)

    await core.database.writing(write)
    await known_keys.forget(core)


def _issuer(client: Client, now: float) -> Callable[[Connection, str, Grant, Grant | None], Issued]:
    """Makes new tokens, and the function that stores them in a transaction, which may be run twice."""
    access, renewed = new_token(ACCESS), new_token(REFRESH)

    def issue(connection: Connection, family_id: str, grant: Grant, renewable: Grant | None) -> Issued:
        oauth_tokens.add_token(connection, hash_token(access), ACCESS, family_id, grant, now=now)
        is_renewable = renewable is not None and REFRESH_TOKEN in client.grant_types
        if renewable is not None and is_renewable:
            oauth_tokens.add_token(connection, hash_token(renewed), REFRESH, family_id, renewable, now=now)
        return Issued(access_token=access, refresh_token=renewed if is_renewable else "", scopes=grant.scopes)

    return issue


def _for_resource(grant: Grant, resource: str | None) -> Grant:
    if resource is None:
        return grant
    if not covers(grant.resource, resource):
        raise InvalidTarget
    return structs.replace(grant, resource=resource)


def _end(connection: Connection, found: Code | Token, client: Client, reason: str) -> _Refusal:
    """Ends a family of tokens whose code or refresh token came to somebody else as well; one that has ended stays as it is."""
    if not oauth_tokens.end_family(connection, found.family_id):
        return _Refusal.UNKNOWN
    audit.note(
        connection,
        actor="oauth",
        action="ended tokens",
        tenant_id=found.grant.tenant_id,
        subject=found.grant.connection_id,
        detail={"name": client.name, "client": client.id, "reason": reason},
    )
    return _Refusal.ENDED


async def _told(core: Core, write: Callable[[Connection], Issued | _Refusal]) -> Issued:
    result = await core.database.writing(write)
    if result is _Refusal.ENDED:
        await known_keys.forget(core)
    if isinstance(result, _Refusal):
        raise InvalidGrant
    return result
