"""Clients that register (RFC 7591), and their proof at the token endpoint."""

from imgen.domain.errors import InvalidClient
from imgen.domain.oauth.clients import (
    NONE,
    Client,
    ClientMetadata,
    auth_method_of,
    make_client,
    new_client_id,
    new_client_secret,
)
from imgen.records import oauth_clients
from imgen.services.accounts import tries
from imgen.services.core import Core

BY_IP, IN_ALL = 20, 300
"""Registrations within a quarter of an hour: of one network, and of all."""


async def register(core: Core, metadata: ClientMetadata, *, remote_ip: str) -> tuple[Client, str]:
    """Registers a client; returns it with its raw secret, which cannot be told again and is empty for a public client.

    Raises:
        InvalidRedirectUri, InvalidClientMetadata: see `make_client`.
        RateLimited: too many registered, of this network or of all.
        Unavailable: Redis does not answer, so registrations cannot be counted.
    """
    secret = "" if auth_method_of(metadata) == NONE else new_client_secret()
    client = make_client(new_client_id(), metadata, secret=secret, now=core.clock())
    await tries.count(core, tries.network_key("oauth-client", remote_ip), limit=BY_IP)
    await tries.count(core, "oauth-clients", limit=IN_ALL)
    await core.database.writing(oauth_clients.add, client)
    return client, secret


async def authenticate(core: Core, client_id: str, secret: str) -> Client:
    """Finds a client that proves itself; a public one has no secret to prove.

    Raises:
        InvalidClient: it is unknown, its secret is wrong, or a public client sends one.
    """
    client = await core.database.reading(oauth_clients.find, client_id)
    if client is None or (client.auth_method == NONE) != (not secret):
        raise InvalidClient
    if secret and not client.has_secret(secret):
        raise InvalidClient
    return client
