"""Check of the public address: it serves MCP, and the metadata by which applications find the authorization server."""

from urllib.parse import urlsplit

import httpx2

from imgen.cli.doctor.finding import Warned, shown_url
from imgen.domain.errors import ConfigurationError
from imgen.settings import Settings
from imgen.settings.addresses import is_loopback

TIMEOUT_S = 5.0
MCP = "/mcp"
"""Path that agents are given; without a token it leads to the metadata."""
EXPECTED = {
    "/.well-known/oauth-authorization-server": ("issuer", ""),
    "/.well-known/oauth-protected-resource/mcp": ("resource", "/mcp"),
}
"""Path → a field of its document, and the path of the URL that the field must have."""


def public_address(loaded: Settings) -> str:
    """Asks the public address for the documents and for MCP, as an application does: redirects are not followed.

    Raises:
        ConfigurationError: something else is there.
    """
    if not loaded.http.public_url:
        return "not set: applications of this machine see the address that they use"
    url = loaded.public_url
    try:
        with httpx2.Client(timeout=TIMEOUT_S) as client:
            for path, (field, own_path) in EXPECTED.items():
                _check_document(client.get(url + path), field, url + own_path)
            _check_challenge(client.post(url + MCP), url)
    except httpx2.TransportError as exc:
        return Warned(f"{shown_url(url)} does not answer ({exc}): is `imgen up` running, and the proxy?")
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        return Warned(f"{shown_url(url)} serves them, but applications elsewhere connect by https alone")
    return f"{shown_url(url)} serves MCP and the metadata of OAuth"


def _check_document(answer: httpx2.Response, field: str, expected: str) -> None:
    """Raises ConfigurationError if the answer is no document with that field."""
    try:
        document = answer.json() if answer.status_code == httpx2.codes.OK else {}
    except ValueError:
        document = {}
    told = document.get(field) if isinstance(document, dict) else None
    if told != expected:
        reason = f"{field} {told!r}" if told else f"status {answer.status_code}"
        raise ConfigurationError(f"{shown_url(str(answer.url))}: {reason} instead of {field} {expected!r}")


def _check_challenge(answer: httpx2.Response, url: str) -> None:
    """Raises ConfigurationError if the answer to a caller without a token does not lead to the metadata."""
    if f'resource_metadata="{url}/' not in answer.headers.get("WWW-Authenticate", ""):
        reason = f"status {answer.status_code} instead of 401 with the address of the metadata"
        raise ConfigurationError(f"{shown_url(url)}{MCP}: {reason}; have the proxy pass it on, with its Host")
