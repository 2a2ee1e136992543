"""People who let agents act for them, by a browser without scripts; and the applications that their browsers come back to."""

import contextlib
import secrets
import socket
import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx2
from servers.panel import PASSWORD
from surfaces.mcp.agents import WAIT_S, Agents
from surfaces.oauth.dance import INPUT

from imgen import composition
from imgen.records import users
from imgen.services.accounts import passwords


@contextlib.asynccontextmanager
async def signed_in(agents: Agents) -> AsyncIterator[httpx2.AsyncClient]:
    """A new person's browser."""
    name = f"p{secrets.token_hex(6)}"
    database = composition.open_database(agents.api.settings)
    hashed = passwords.hash_password(PASSWORD)
    database.attempt(users.add, name=name, role="member", password_hash=hashed, must_change_password=False)
    database.close()
    async with httpx2.AsyncClient(base_url=agents.api.url, timeout=WAIT_S) as browser:
        fields = dict(INPUT.findall((await browser.get("/sign-in")).text))
        answer = await browser.post("/sign-in", data=fields | {"name": name, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        yield browser


async def allow(browser: httpx2.AsyncClient, url: str) -> str:
    """The address by which the person's consent comes back to the application."""
    page = await browser.get(url)
    assert page.status_code == 200, page.text
    fields = {name: value.replace("&#39;", "'").replace("&amp;", "&") for name, value in INPUT.findall(page.text)}
    answer = await browser.post("/authorize", data=fields | {"decision": "allow"})
    return answer.headers["location"]


def query_of(url: str) -> dict[str, str]:
    """The fields of an address, each of which it has once."""
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def await_listening(url: str) -> str:
    """The loopback address that a request for consent comes back to, as soon as somebody listens there."""
    redirect_uri = query_of(url)["redirect_uri"]
    place = urlsplit(redirect_uri)
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            socket.create_connection((place.hostname, place.port), WAIT_S).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"nobody listens at {redirect_uri}"
            time.sleep(0.02)
        else:
            return redirect_uri
