"""Entering: opens a session for a name and a password, and answers with its cookies."""

from starlette.requests import Request
from starlette.responses import Response

from imgen.services.accounts import devices, sessions
from imgen.surfaces.web.shell import NEXT, Shell

DEVICE_COOKIE = "imgen_device"


def remote_ip(request: Request) -> str:
    """Returns the IP address of the browser; empty: it is not known."""
    return request.client.host if request.client else ""


async def open_session(shell: Shell, request: Request, name: str, password: str) -> None:
    """Signs in; the cookie keeps nothing of an earlier session.

    Raises:
        Invalid: wrong name or password.
        RateLimited, Unavailable: see `sessions.sign_in`.
    """
    agent, device = request.headers.get("user-agent", ""), request.cookies.get(DEVICE_COOKIE, "")
    token = await sessions.sign_in(shell.core, name, password, remote_ip=remote_ip(request), agent=agent, device=device)
    request.session.clear()
    request.session["token"] = token


async def enter(shell: Shell, request: Request, name: str, password: str) -> Response:
    """Signs in, and redirects to the page that was asked for; the browser is known from now on.

    Raises:
        Invalid, RateLimited, Unavailable: as for `open_session`.
    """
    next_path = request.session.get(NEXT, "/panel")
    await open_session(shell, request, name, password)
    response = shell.redirect(request, next_path)
    response.set_cookie(
        DEVICE_COOKIE,
        await devices.device_cookie(shell.core, name, request.cookies.get(DEVICE_COOKIE, "")),
        max_age=devices.COOKIE_S,
        path="/sign-in",
        secure=shell.is_tls,
        httponly=True,
        samesite="lax",
    )
    return response
