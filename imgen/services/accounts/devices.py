"""Devices: browsers in which a user signed in before. A signed cookie gives each a budget of tries of its own.

So guesses of strangers never lock a user out of a known browser (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
The cookie opens nothing: it is no proof of identity.
"""

import hmac
import secrets

from imgen.records import installation
from imgen.services.core import Core
from imgen.threads import LOADING

COOKIE_S = 180 * 24 * 3600
_ID_HEX_DIGITS = 32


async def known_device(core: Core, name: str, cookie: str) -> str:
    """Returns the id of a device in which the user of that name signed in; empty: the cookie is no such device's."""
    device = cookie[:_ID_HEX_DIGITS]
    expected = await _cookie(core, name, device) if cookie else ""
    return device if expected and hmac.compare_digest(_bytes(expected), _bytes(cookie)) else ""


async def device_cookie(core: Core, name: str, cookie: str) -> str:
    """Returns the cookie to set after a sign-in; a device that is known keeps its id."""
    device = await known_device(core, name, cookie) or secrets.token_hex(_ID_HEX_DIGITS // 2)
    return await _cookie(core, name, device)


async def _cookie(core: Core, name: str, device: str) -> str:
    key = await LOADING.run(installation.secret, core.database, installation.WEB)
    signed = _bytes(f"device\n{device}\n{name}")
    return f"{device}.{hmac.digest(key, signed, 'sha256').hex()}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
