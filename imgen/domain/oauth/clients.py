"""Clients of OAuth 2.1: their metadata as they send them (RFC 7591), and the rules of redirect URIs."""

import hmac
import secrets
from collections.abc import Collection, Sequence
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from imgen.domain.errors import InvalidClientMetadata, InvalidRedirectUri
from imgen.domain.oauth.grants import hash_token
from imgen.domain.principal import SCOPES

AUTH_METHODS = NONE, BASIC, POST = ("none", "client_secret_basic", "client_secret_post")
"""Ways in which a client proves itself at the token endpoint; `none` is a public client."""
GRANT_TYPES = AUTHORIZATION_CODE, REFRESH_TOKEN = ("authorization_code", "refresh_token")
RESPONSE_TYPES = ("code",)
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_REDIRECT_URIS = 20
MAX_URI_CHARS = 1000
MAX_NAME_CHARS = 100
MAX_CLIENT_ID_CHARS = 500


class ClientMetadata(Struct, frozen=True, kw_only=True):
    """Metadata of a client as it sends them; other fields are ignored (RFC 7591, section 2)."""

    redirect_uris: list[str] | None = None
    client_name: str | None = None
    client_uri: str | None = None
    token_endpoint_auth_method: str | None = None
    grant_types: list[str] | None = None
    response_types: list[str] | None = None
    scope: str | None = None
    application_type: str | None = None


class Client(Struct, frozen=True, kw_only=True):
    """Client that was registered, or whose metadata document was read."""

    id: str
    """Made by us, or the URL of its metadata document."""
    name: str
    """As it calls itself; empty: it has no name."""
    uri: str
    """Its home page, as it says."""
    redirect_uris: tuple[str, ...]
    auth_method: str
    secret_hash: str
    """Empty: it has no secret."""
    grant_types: tuple[str, ...]
    scopes: tuple[str, ...]
    """Scopes that it may ask for."""
    is_document: bool
    """Whether it is known by a metadata document, so that the host of its id is proven."""
    fresh_until: float | None
    """End of the time for which a metadata document is kept; None: it was registered."""
    created_at: float

    @property
    def host(self) -> str:
        """Returns the host of its metadata document; empty: it has none."""
        return document_host(self.id)

    def has_secret(self, secret: str) -> bool:
        """Returns whether a secret is the client's."""
        return hmac.compare_digest(self.secret_hash, hash_token(secret))

    def redirects_to(self, uri: str) -> bool:
        """Returns whether a redirect URI is one of the client's."""
        return any(uri == known or _is_same_loopback(known, uri) for known in self.redirect_uris)


def is_document(client_id: str) -> bool:
    """Returns whether the id of a client is the URL of its metadata document."""
    return client_id.startswith("https://")


def document_host(client_id: str) -> str:
    """Returns the host of the metadata document of a client; empty: it has none."""
    return urlsplit(client_id).netloc if is_document(client_id) else ""


def new_client_id() -> str:
    """Makes the id of a client that registers; nobody guesses it."""
    return "client_" + secrets.token_hex(16)


def new_client_secret() -> str:
    """Makes the secret of a confidential client: 256 random bits."""
    return "imgs_" + secrets.token_urlsafe(32)


def make_client(
    client_id: str,
    metadata: ClientMetadata,
    *,
    secret: str = "",
    is_document: bool = False,
    fresh_until: float | None = None,
    now: float,
) -> Client:
    """Makes a client of its metadata.

    Args:
        client_id: a new one, or the URL of the document.
        metadata: as they were sent or read.
        secret: raw; empty: none.
        is_document: whether they are of a document.
        fresh_until: end of the document's time.
        now: Unix time.

    Raises:
        InvalidRedirectUri: one of them is not as it has to be, or there is none.
        InvalidClientMetadata: another field is not.
    """
    uris = tuple(dict.fromkeys(metadata.redirect_uris or ()))
    if not 1 <= len(uris) <= MAX_REDIRECT_URIS:
        raise InvalidRedirectUri(f"There must be 1 to {MAX_REDIRECT_URIS} redirect_uris")
    for uri in uris:
        check_redirect_uri(uri)
    return Client(
        id=client_id,
        name=_shown(metadata.client_name),
        uri=_home_page(metadata.client_uri),
        redirect_uris=uris,
        auth_method=auth_method_of(metadata, is_document=is_document),
        secret_hash=hash_token(secret) if secret else "",
        grant_types=_those_of("grant_types", metadata.grant_types, GRANT_TYPES, needed=AUTHORIZATION_CODE),
        scopes=_scopes(metadata.scope),
        is_document=is_document,
        fresh_until=fresh_until,
        created_at=now,
    )


def auth_method_of(metadata: ClientMetadata, *, is_document: bool = False) -> str:
    """Returns the way in which a client proves itself: with a secret unless it says otherwise (RFC 7591, section 2).

    Raises:
        InvalidClientMetadata: there is no such way, or a document asks for a secret, which it cannot keep.
    """
    wanted = metadata.token_endpoint_auth_method or (NONE if is_document else BASIC)
    if wanted not in ((NONE,) if is_document else AUTH_METHODS):
        allowed = NONE if is_document else ", ".join(AUTH_METHODS)
        raise InvalidClientMetadata(f"token_endpoint_auth_method is one of: {allowed}")
    _those_of("response_types", metadata.response_types, RESPONSE_TYPES, needed=RESPONSE_TYPES[0])
    return wanted


def check_redirect_uri(uri: str) -> SplitResult:
    """Checks a redirect URI; returns its parts.

    Raises:
        InvalidRedirectUri: it is not as it has to be.
    """
    is_plain = uri.isascii() and uri.isprintable() and len(uri) <= MAX_URI_CHARS
    if not is_plain or any(sign in uri for sign in '#*\\ "<>^`{|}'):
        raise InvalidRedirectUri
    try:
        parts = urlsplit(uri)
        host, _port = parts.hostname, parts.port
    except ValueError as exc:
        raise InvalidRedirectUri from exc
    is_http = parts.scheme == "http" and host in LOOPBACK_HOSTS
    if not host or "@" in parts.netloc or not (parts.scheme == "https" or is_http):
        raise InvalidRedirectUri
    return parts


def is_loopback(uri: str) -> bool:
    """Returns whether a redirect URI leads to the person's own machine."""
    return urlsplit(uri).hostname in LOOPBACK_HOSTS


def _is_same_loopback(known: str, given: str) -> bool:
    """Compares redirect URIs of a loopback host, whose port is free (RFC 8252, section 7.3)."""
    try:
        wanted, sent = check_redirect_uri(known), check_redirect_uri(given)
    except InvalidRedirectUri:
        return False
    of_wanted, of_sent = ((one.scheme, one.hostname, one.path, one.query) for one in (wanted, sent))
    return wanted.scheme == "http" and of_wanted == of_sent


def _those_of(field: str, sent: Sequence[str] | None, known: Collection[str], *, needed: str) -> tuple[str, ...]:
    """Returns those values that this server knows; all of them if none is sent."""
    if sent is None:
        return tuple(known)
    if needed not in sent:
        raise InvalidClientMetadata(f"{field} must have {needed}")
    return tuple(one for one in known if one in sent)


def _scopes(sent: str | None) -> tuple[str, ...]:
    wanted = (sent or "").split()
    if wanted and not set(wanted) & set(SCOPES):
        raise InvalidClientMetadata(f"scope has none of: {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted) if wanted else SCOPES


def _shown(name: str | None) -> str:
    """Returns a name without signs that a page would not show, or would show in another order."""
    return " ".join("".join(sign for sign in name or "" if sign.isprintable()).split())[:MAX_NAME_CHARS]


def _home_page(uri: str | None) -> str:
    is_good = uri is not None and len(uri) <= MAX_URI_CHARS and uri.isprintable() and uri.startswith("https://")
    return uri if uri is not None and is_good else ""
