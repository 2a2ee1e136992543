"""Codes and tokens of OAuth 2.1 in SQL, by their hashes. Changes happen under the lock of their connected application.

What refuses a request may end a family of tokens in the same transaction, so these functions return and do not raise.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from imgen.domain.account import Tenant
from imgen.domain.oauth.grants import ACCESS, ACCESS_TOKEN_S, CODE_S, REFRESH, REFRESH_TOKEN_S, Grant, TenantToken
from imgen.records.database import locked_in_order
from imgen.records.oauth_connections import of_those_who_may
from imgen.records.tables.accounts import tenants
from imgen.records.tables.oauth import oauth_codes, oauth_tokens

USED_CODE_KEPT_S = 86_400
"""Time after a code's end during which its reuse ends what it gave."""
LIFETIMES_S: Mapping[str, int] = {ACCESS: ACCESS_TOKEN_S, REFRESH: REFRESH_TOKEN_S}
"""Kind of a token, which is its prefix → lifetime."""


class Code(Struct, frozen=True, kw_only=True):
    """Authorization code."""

    hash: str
    family_id: str
    """Family of the tokens that it gives."""
    grant: Grant
    redirect_uri: str
    challenge: str
    """S256 challenge of its owner."""
    expires_at: float = 0
    used_at: float | None = None


class Token(Struct, frozen=True, kw_only=True):
    """Access or refresh token."""

    hash: str
    kind: str
    family_id: str
    grant: Grant
    expires_at: float
    rotated_at: float | None
    """Time at which a newer refresh token took its place."""


def add_code(connection: Connection, code: Code, *, now: float) -> None:
    """Stores a code, good for CODE_S."""
    row = {"hash": code.hash, "family_id": code.family_id, "redirect_uri": code.redirect_uri}
    more = {"challenge": code.challenge, "expires_at": now + CODE_S}
    connection.execute(insert(oauth_codes).values(**row, **more, **_columns(code.grant)))


def find_code(connection: Connection, code_hash: str) -> Code | None:
    """Finds a code, used ones included; None: there is none."""
    row = connection.execute(select(oauth_codes).where(oauth_codes.c.hash == code_hash)).mappings().first()
    if row is None:
        return None
    own = {name: row[name] for name in Code.__struct_fields__ if name != "grant"}
    return Code(**own, grant=_grant(row))


def use_code(connection: Connection, code: Code, *, now: float) -> bool:
    """Uses a code up; returns whether it was unused. Of several at once one succeeds."""
    unused = update(oauth_codes).where(oauth_codes.c.hash == code.hash, oauth_codes.c.used_at.is_(None))
    return connection.execute(unused.values(used_at=now)).rowcount == 1


def add_token(connection: Connection, token_hash: str, kind: str, family_id: str, grant: Grant, *, now: float) -> None:
    """Stores a token of a kind, good for as long as its kind is."""
    row = {"hash": token_hash, "kind": kind, "family_id": family_id, "created_at": now}
    connection.execute(insert(oauth_tokens).values(**row, expires_at=now + LIFETIMES_S[kind], **_columns(grant)))


def find_token(connection: Connection, token_hash: str) -> Token | None:
    """Finds a token, expired and rotated ones included; None: there is none, or its family has ended."""
    row = connection.execute(select(oauth_tokens).where(oauth_tokens.c.hash == token_hash)).mappings().first()
    if row is None:
        return None
    own = {name: row[name] for name in Token.__struct_fields__ if name != "grant"}
    return Token(**own, grant=_grant(row))


def find_access_token(connection: Connection, token_hash: str) -> TenantToken | None:
    """Finds an access token, expired ones included, whose person may act for its tenant; None: there is none."""
    query = select(oauth_tokens, tenants.c.name, tenants.c.plan).select_from(oauth_tokens)
    query = of_those_who_may(query.join(tenants, tenants.c.id == oauth_tokens.c.tenant_id), oauth_tokens)
    wanted = oauth_tokens.c.hash == token_hash, oauth_tokens.c.kind == ACCESS
    row = connection.execute(query.where(*wanted)).mappings().first()
    if row is None:
        return None
    tenant = Tenant(id=row["tenant_id"], name=row["name"], plan=row["plan"])
    return TenantToken(grant=_grant(row), tenant=tenant, expires_at=row["expires_at"])


def rotate(connection: Connection, token: Token, *, now: float) -> bool:
    """Marks a refresh token as rotated away; returns whether it was the latest. Of several at once one succeeds."""
    latest = update(oauth_tokens).where(oauth_tokens.c.hash == token.hash, oauth_tokens.c.rotated_at.is_(None))
    return connection.execute(latest.values(rotated_at=now)).rowcount == 1


def delete_token(connection: Connection, token: Token) -> None:
    """Deletes one token."""
    connection.execute(delete(oauth_tokens).where(oauth_tokens.c.hash == token.hash))


def end_family(connection: Connection, family_id: str) -> bool:
    """Deletes all tokens of a family; returns whether there were any."""
    own = locked_in_order(oauth_tokens.c.hash, oauth_tokens.c.family_id == family_id)
    return connection.execute(delete(oauth_tokens).where(oauth_tokens.c.hash.in_(own))).rowcount > 0


def delete_expired(connection: Connection, *, now: float, limit: int) -> int:
    """Deletes some codes and tokens past their time; returns their number."""
    deleted = 0
    for table, before in ((oauth_codes, now - USED_CODE_KEPT_S), (oauth_tokens, now)):
        found = (
            connection.execute(locked_in_order(table.c.hash, table.c.expires_at < before).limit(limit)).scalars().all()
        )
        deleted += connection.execute(delete(table).where(table.c.hash.in_(found))).rowcount
    return deleted


def _columns(grant: Grant) -> dict[str, Any]:
    values = {name: getattr(grant, name) for name in Grant.__struct_fields__}
    return values | {"scopes": " ".join(grant.scopes)}


def _grant(row: RowMapping) -> Grant:
    values = {name: row[name] for name in Grant.__struct_fields__}
    return Grant(**values | {"scopes": tuple(row["scopes"].split())})
