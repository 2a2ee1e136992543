"""Address of this server as its clients know it: the configured one, else the one that a client on this machine has used."""

from urllib.parse import urlsplit

from starlette.types import Scope

from imgen.asgi.endpoint import header
from imgen.settings import Settings
from imgen.settings.addresses import is_loopback

PROTECTED_RESOURCE = "/.well-known/oauth-protected-resource"
"""Path of the metadata of a resource (RFC 9728), before the resource's own path."""


def base_of(settings: Settings, scope: Scope) -> str:
    """Returns the URL of this server without a slash at its end; a `Host` of a request is believed on loopback alone."""
    host = _loopback_host(header(scope, b"host"))
    if host and not settings.http.public_url and is_loopback(urlsplit(settings.public_url).hostname or ""):
        return f"{scope['scheme']}://{host}"
    return settings.public_url


def challenge(base: str, resource: str, scopes: str, *, error: str = "") -> str:
    """Makes the value of `WWW-Authenticate` for clients of OAuth (RFC 6750, section 3; RFC 9728, section 5.1).

    Args:
        base: URL of this server.
        resource: path of the resource that was asked.
        scopes: all that are needed, with spaces between them.
        error: `invalid_token` or `insufficient_scope`; empty: no token was sent.
    """
    parts = {"resource_metadata": f"{base}{PROTECTED_RESOURCE}{resource}", "scope": scopes}
    named = ({"error": error} if error else {}) | parts
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in named.items())


def _loopback_host(sent: str) -> str:
    """Returns name and port of a `Host` of this machine, written anew; empty: it is none."""
    try:
        parts = urlsplit(f"//{sent}")
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if not is_loopback(name) or parts.netloc != sent or parts.username is not None:
        return ""
    return (f"[{name}]" if ":" in name else name) + ("" if port is None else f":{port}")
