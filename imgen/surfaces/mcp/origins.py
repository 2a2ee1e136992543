"""Hosts and origins by which a request may come: this server's own address, this machine, and configured origins.

A page of another site could otherwise have a browser call a server that the browser alone can reach (DNS rebinding).
"""

from urllib.parse import urlsplit

from starlette.types import Scope

from imgen.asgi.endpoint import header, headers
from imgen.settings import Settings
from imgen.settings.addresses import is_loopback
from imgen.surfaces.surface import Problem


def problem_of_origin(settings: Settings, scope: Scope) -> Problem | None:
    """Returns why a request may not come as it does: 421 for a host, 403 for an origin; None: it may."""
    own = urlsplit(settings.public_url)
    host = header(scope, b"host")
    if host.lower() != own.netloc.lower() and not is_loopback(_hostname(host)):
        return Problem(421, "This server has another name: see [http] public_url")
    allowed = {f"{own.scheme}://{own.netloc}".lower(), *(origin.lower() for origin in settings.http.cors_origins)}
    for origin in headers(scope, b"origin"):
        if "*" in allowed or origin.lower() in allowed or _is_of_this_machine(origin):
            continue
        return Problem(403, "The origin is not allowed")
    return None


def _is_of_this_machine(origin: str) -> bool:
    scheme, _, host = origin.partition("://")
    return scheme in ("http", "https") and is_loopback(_hostname(host))


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # such as half of an IPv6 address
        return ""
