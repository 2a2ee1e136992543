"""The whole way of an agent that has nothing but the address: from a 401 to a picture, by the client of the `mcp` package."""

import asyncio

import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from sqlalchemy import text
from surfaces.mcp.agents import PROMPT, VERSIONS, WAIT_S, message, text_of
from surfaces.mcp.people import allow, query_of, signed_in
from surfaces.oauth.dance import LOOPBACK
from surfaces.oauth.memory import Memory

from imgen import composition


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
                told.append(query_of(await allow(browser, url)))

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
