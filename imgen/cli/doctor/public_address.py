"""Check of the public address: it serves the metadata by which applications find the authorization server."""

from urllib.parse import urlsplit

import httpx2

from imgen.cli.doctor.finding import Warned, shown_url
from imgen.domain.errors import ConfigurationError
from imgen.settings import Settings
from imgen.settings.addresses import is_loopback

TIMEOUT_S = 5.0
EXPECTED = {
    "/.well-known/oauth-authorization-server": ("issuer", ""),
    "/.well-known/oauth-protected-resource/mcp": ("resource", "/mcp"),
}
"""Path → a field of its document, and the path of the URL that the field must have."""


def public_address(loaded: Settings) -> str:
    """Asks the public address for the documents, as an application does: redirects are not followed.

    Raises:
        ConfigurationError: something else is there.
    """
    if not loaded.http.public_url:
        return "not set: applications of this machine see the address that they use"
    url = loaded.public_url
    with httpx2.Client(timeout=TIMEOUT_S) as client:
        for path, (field, own_path) in EXPECTED.items():
            try:
                answer = client.get(url + path)
                document = answer.json() if answer.status_code == httpx2.codes.OK else {}
            except httpx2.TransportError as exc:
                return Warned(f"{shown_url(url)} does not answer ({exc}): is `imgen up` running, and the proxy?")
            except ValueError:
                document = {}
            told = document.get(field) if isinstance(document, dict) else None
            if told != url + own_path:
                reason = f"{field} {told!r}" if told else f"status {answer.status_code}"
                raise ConfigurationError(f"{shown_url(url)}{path}: {reason} instead of {field} {url + own_path!r}")
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        return Warned(f"{shown_url(url)} serves the metadata, but applications elsewhere connect by https alone")
    return f"{shown_url(url)} serves the metadata of OAuth"
