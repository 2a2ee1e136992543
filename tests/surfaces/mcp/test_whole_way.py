"""The whole way of an agent that has nothing but the address: from a 401 to a picture, by the client of the `mcp` package."""

import asyncio
import contextlib
import secrets
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from servers.panel import PASSWORD
from sqlalchemy import text
from surfaces.mcp.agents import PROMPT, VERSIONS, WAIT_S, message, text_of
from surfaces.oauth.dance import INPUT, LOOPBACK
from surfaces.oauth.test_mcp_client import Memory

from imgen import composition
from imgen.records import users
from imgen.services.accounts import passwords


@contextlib.asynccontextmanager
async def signed_in(agents):
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


async def allow(browser, url):
    """The parameters of the redirect by which the person's consent comes back."""
    page = await browser.get(url)
    assert page.status_code == 200, page.text
    fields = {name: value.replace("&#39;", "'").replace("&amp;", "&") for name, value in INPUT.findall(page.text)}
    answer = await browser.post("/authorize", data=fields | {"decision": "allow"})
    told = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: value for name, (value,) in told.items()}


def newest_job(agents):
    """The stored id of the job that was made last, of whatever tenant."""
    database = composition.open_database(agents.api.settings)
    try:
        return database.attempt(lambda one: one.execute(text("SELECT id FROM jobs ORDER BY created_at DESC")).scalar())
    finally:
        database.close()


@pytest.mark.parametrize("mode", VERSIONS)
def test_an_agent_with_the_address_alone_makes_a_picture(agents, mode):
    """It finds the server, registers, is allowed by a person, gets a tenant on the free plan, draws, refreshes, and is revoked."""

    async def steps():
        async with signed_in(agents) as browser:
            told, begun = [], asyncio.Event()

            async def open_browser(url):
                told.append(await allow(browser, url))

            async def answer():
                return AuthorizationCodeResult(code=told[-1]["code"], state=told[-1]["state"], iss=told[-1]["iss"])

            async def note(*_progress):
                begun.set()

            memory = Memory()
            provider = OAuthClientProvider(
                server_url=agents.url,
                client_metadata=OAuthClientMetadata(redirect_uris=[LOOPBACK], client_name="Kite"),
                storage=memory,
                redirect_handler=open_browser,
                callback_handler=answer,
            )
            async with (
                httpx2.AsyncClient(auth=provider, timeout=WAIT_S) as http,
                Client(streamable_http_client(agents.url, http_client=http), mode=mode) as client,
            ):
                call = asyncio.create_task(client.call_tool("generate_image", PROMPT, progress_callback=note))
                await begun.wait()
                await asyncio.to_thread(agents.work, await asyncio.to_thread(newest_job, agents))
                drawn, first = await call, memory.tokens
                provider.context.token_expiry_time = 1  # long ago
                listed = await client.call_tool("list_models", {})
            assert len(told) == 1
            return drawn, listed, first, memory

    drawn, listed, first, memory = agents.run(steps)
    assert not drawn.is_error, text_of(drawn)
    assert [part.type for part in drawn.content] == ["text", "image"]
    assert not listed.is_error
    assert first.scope == "generate read"
    assert memory.tokens.access_token != first.access_token
    token = memory.tokens.access_token
    assert agents.post(message("ping"), key=token).status_code == 200
    form = {"token": memory.tokens.refresh_token, "client_id": memory.client.client_id}
    if memory.client.client_secret:
        form["client_secret"] = memory.client.client_secret
    assert httpx2.post(agents.api.url + "/revoke", data=form, timeout=WAIT_S).status_code == 200
    refused = agents.post(message("ping"), key=token)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
