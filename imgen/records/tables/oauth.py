"""Tables of OAuth 2.1: clients, connected applications, codes and tokens. Codes, tokens and secrets are stored as hashes only."""

from sqlalchemy import Boolean, Column, Double, Index, Integer, Table, Text, UniqueConstraint

from imgen.records.tables.base import metadata

oauth_clients = Table(
    "oauth_clients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("redirect_uris", Text, nullable=False),
    Column("auth_method", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("grant_types", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("is_document", Boolean, nullable=False),
    Column("fresh_until", Double),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double),
    Column("uses", Integer, nullable=False, server_default="0"),
    Index(None, "used_at", "created_at"),
)
"""Clients that registered, and metadata documents that were read. `redirect_uris` is a JSON list. `uses` counts the grants that
people gave; `used_at` is null until the first."""

oauth_connections = Table(
    "oauth_connections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("client_name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("allowed", Text, nullable=False, server_default="{}"),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double),
    Column("revoked_at", Double),
    UniqueConstraint("user_id", "client_id", "tenant_id"),
    Index(None, "client_id"),
    Index(None, "tenant_id"),
)
"""Connected applications: consents of a person to a client for a tenant, with what the person allowed: `scopes` has all of it,
`allowed` is a JSON object of resource → scopes. A revoked one stays for the jobs that refer to it; consent brings it back."""

oauth_codes = Table(
    "oauth_codes",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("family_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("challenge", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    Index(None, "connection_id"),
    Index(None, "user_id"),
    Index(None, "tenant_id"),
    Index(None, "expires_at"),
)
"""Authorization codes. A used one stays for a while: its reuse ends the family of tokens that it gave."""

oauth_tokens = Table(
    "oauth_tokens",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("family_id", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("rotated_at", Double),
    Index(None, "family_id"),
    Index(None, "connection_id"),
    Index(None, "user_id"),
    Index(None, "tenant_id"),
    Index(None, "expires_at"),
)
"""Access and refresh tokens (`kind`). A family is all that came of one code; it ends when its rows go. A refresh token that was
rotated away stays until it expires, so that its reuse is seen."""
