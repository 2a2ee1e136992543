"""Whole way of an application from registration to a token, over HTTP, each step of it for itself."""

import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.types import ASGIApp
from surfaces.site import Site

from imgen.app import SURFACES, close_core, open_core
from imgen.asgi.answer_headers import AnswerHeaders
from imgen.live import sign_in_limits
from imgen.services.accounts import rates
from imgen.services.core import Core
from imgen.surfaces import forge, mcp, oauth, web

BASE = "http://127.0.0.1"
REDIRECT = "https://app.example.com/callback"
LOOPBACK = "http://127.0.0.1:3000/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
INPUT = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


class OAuthSite(Site):
    """One API process with Forge, the authorization server, the door of the agents' tools and the pages."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.app = application(core)

    async def register(self, *, status: int = 201, remote_ip: str = "", **fields) -> dict:
        """The answer to a registration, by default of a public client from an address of its own; other tests' do not count."""
        await self.core.live.run(sign_in_limits.reset("oauth-clients"))
        metadata = {"redirect_uris": [REDIRECT], "client_name": "Kite", "token_endpoint_auth_method": "none"} | fields
        async with self.client(remote_ip or some_ip()) as client:
            answer = await client.post("/register", json=metadata)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def token(self, *, status: int = 200, headers: dict | None = None, **form) -> dict:
        """The answer of the token endpoint."""
        async with self.client() as client:
            answer = await client.post("/token", data=form, headers=headers or {})
        assert answer.status_code == status, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()

    async def exchange(self, client_id: str, code: str, *, status: int = 200, **changes) -> dict:
        """The answer to a code."""
        form = {"grant_type": "authorization_code", "client_id": client_id, "code": code, "code_verifier": VERIFIER}
        return await self.token(status=status, **(form | changes))

    async def refresh(self, client_id: str, token: str, *, status: int = 200, **changes) -> dict:
        """The answer to a refresh token."""
        form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token}
        return await self.token(status=status, **(form | changes))

    async def revoke(self, client_id: str, token: str) -> None:
        """Revokes a token."""
        async with self.client() as client:
            answer = await client.post("/revoke", data={"token": token, "client_id": client_id})
        assert answer.status_code == 200, answer.text

    async def forge_status(self, token: str, path: str = "/v2/jobs") -> int:
        """The status of a call of Forge by an access token."""
        async with self.client(some_ip(), Authorization=f"Bearer {token}") as client:
            return (await client.get(path)).status_code

    async def mcp_status(self, token: str) -> int:
        """The status of a call of the agents' tools by an access token: 405 for one that is good, since they take no GET."""
        async with self.client(some_ip(), Authorization=f"Bearer {token}") as client:
            return (await client.get("/mcp")).status_code

    @asynccontextmanager
    async def connected(self, **asked) -> AsyncIterator[tuple[str, dict, httpx2.AsyncClient]]:
        """A new application's id and tokens, and the browser of the person who allowed it."""
        async with self.person() as (_, browser):
            client_id = (await self.register())["client_id"]
            code = await allowed_code(browser, client_id, **asked)
            yield client_id, await self.exchange(client_id, code), browser


def application(core: Core) -> ASGIApp:
    """Makes the application of Forge, the authorization server, the door of the agents' tools and the pages."""
    surfaces = (forge.SURFACE, oauth.SURFACE, mcp.SURFACE, web.surface(lambda: SURFACES))
    routes = [route for surface in surfaces for route in surface.routes(core)]
    return AnswerHeaders(Starlette(routes=routes), lambda rate: rates.uncount(core, rate))


@asynccontextmanager
async def second_process(site: OAuthSite) -> AsyncIterator[OAuthSite]:
    """Another API process over the same database and Redis."""
    core = open_core(site.core.settings)
    try:
        yield OAuthSite(core)
    finally:
        await close_core(core)


def some_ip() -> str:
    """An address that no test has used."""
    return f"10.{'.'.join(map(str, secrets.token_bytes(3)))}"


def request_of(application: str, /, **changes) -> dict[str, str]:
    """The fields of a request; None leaves one out."""
    fields = {
        "client_id": application, "redirect_uri": REDIRECT, "response_type": "code", "code_challenge": CHALLENGE,
        "code_challenge_method": "S256", "state": "s 1",
    }  # fmt: skip
    return {name: value for name, value in (fields | changes).items() if value is not None}


async def ask(browser: httpx2.AsyncClient, application: str, /, **changes) -> httpx2.Response:
    """The answer to a request: the page, or a redirect."""
    return await browser.get(f"/authorize?{urlencode(request_of(application, **changes))}")


async def ask_at(browser: httpx2.AsyncClient, url: str) -> httpx2.Response:
    """The answer to a request as an application has written it, at the whole address."""
    assert url.startswith(f"{BASE}/authorize?"), url
    return await browser.get(url.removeprefix(BASE))


async def decide(
    browser: httpx2.AsyncClient, page: httpx2.Response, decision: str = "allow", **changes
) -> httpx2.Response:
    """The answer to the form of the page."""
    assert page.status_code == 200, (page.status_code, page.headers.get("location"), page.text)
    form = {name: value.replace("&#39;", "'").replace("&amp;", "&") for name, value in INPUT.findall(page.text)}
    return await browser.post("/authorize", data=form | {"decision": decision} | changes)


async def allowed_code(browser: httpx2.AsyncClient, client_id: str, **changes) -> str:
    """The code that an application gets from a person who allows all of it."""
    answer = await ask(browser, client_id, **changes)
    if answer.status_code == 200:
        answer = await decide(browser, answer)
    return told(answer)["code"]


def told(answer: httpx2.Response, redirect: str = REDIRECT) -> dict[str, str]:
    """The fields that the application is told by a redirect, which says who answers."""
    assert answer.status_code == 303, (answer.status_code, answer.text)
    assert answer.headers["location"].startswith(f"{redirect}?"), answer.headers["location"]
    fields = {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert fields.pop("iss") == BASE
    return fields


def refused(answer: httpx2.Response, redirect: str = REDIRECT) -> str:
    """The code of the error that the application is told."""
    fields = told(answer, redirect)
    assert fields["state"] == "s 1"
    assert fields["error_description"]
    assert "code" not in fields
    return fields["error"]
