"""Agent that is given the address of a server and nothing else: `lone_agent.py mcp|fastmcp URL`. It is a program of its own.

Each step is a line of JSON: the page that a person is to open, the first progress, and at the end how it went. Each client keeps to one
protocol version: to find one, it waits ten seconds for an answer, in which a person may not have allowed it yet.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

LONGEST_S = 240
PROMPT = {"prompt": "a red coat on the beach"}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\nConnection: close\r\n\r\nConnected"


def tell(**step: Any) -> None:
    """Prints a step."""
    print(json.dumps(step), flush=True)


@contextlib.asynccontextmanager
async def callback() -> AsyncIterator[tuple[str, asyncio.Future[dict[str, str]]]]:
    """Listens on a loopback address for the browser that a person's answer comes back with; gives address and answer."""
    came = asyncio.get_running_loop().create_future()

    async def take(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            target = urlsplit((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
            writer.write(ANSWER)
            if target.path == "/callback":
                came.set_result({name: value for name, (value,) in parse_qs(target.query).items()})
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback", came


@contextlib.asynccontextmanager
async def by_mcp(url: str):
    """The client of the `mcp` package: gives a function that calls a tool, and what it knows of the server and its own rights."""
    from mcp.client.auth import OAuthClientProvider
    from mcp.client.auth.oauth2 import AuthorizationCodeResult
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared.auth import OAuthClientMetadata
    from surfaces.oauth.memory import Memory

    async with callback() as (redirect_uri, came):

        async def open_browser(address):
            tell(open=address)

        async def answer():
            told = await came
            return AuthorizationCodeResult(code=told["code"], state=told["state"], iss=told["iss"])

        provider = OAuthClientProvider(
            server_url=url,
            client_metadata=OAuthClientMetadata(redirect_uris=[redirect_uri], client_name="Kite of mcp"),
            storage=Memory(),
            redirect_handler=open_browser,
            callback_handler=answer,
        )
        async with (
            httpx2.AsyncClient(auth=provider, timeout=LONGEST_S) as http,
            Client(streamable_http_client(url, http_client=http), mode="2026-07-28") as client,
        ):
            yield lambda *call, note: client.call_tool(*call, progress_callback=note), provider.context


@contextlib.asynccontextmanager
async def by_fastmcp(url: str):
    """The same of FastMCP, which listens for the answer itself; BROWSER is a command that prints the page's address."""
    from fastmcp.client import Client
    from fastmcp.client.auth import OAuth
    from key_value.aio.stores.memory import MemoryStore

    oauth = OAuth(url, client_name="Kite of fastmcp", token_storage=MemoryStore(), callback_host="127.0.0.1")
    async with Client(url, auth=oauth, mode="legacy", init_timeout=LONGEST_S) as client:
        yield lambda *call, note: client.call_tool_mcp(*call, progress_handler=note), oauth.context


CLIENTS = {"mcp": by_mcp, "fastmcp": by_fastmcp}


async def go(client: str, url: str) -> None:
    """From a 401 to a picture, on with the refresh token, and to the end of its rights."""
    shares: list[float] = []

    async def note(share, *_more):
        shares.append(share)
        if len(shares) == 1:
            tell(progress=share)

    async with asyncio.timeout(LONGEST_S), CLIENTS[client](url) as (call, context):
        drawn = await call("generate_image", PROMPT, note=note)
        first = context.current_tokens
        context.token_expiry_time = 1  # long ago
        listed = await call("list_models", {}, note=None)
    tokens = context.current_tokens
    form = {"token": tokens.refresh_token, "client_id": context.client_info.client_id}
    if context.client_info.client_secret:
        form["client_secret"] = context.client_info.client_secret
    headers = {"Authorization": f"Bearer {tokens.access_token}", "Accept": "application/json, text/event-stream"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with httpx2.AsyncClient(timeout=LONGEST_S) as http:
        before = await http.post(url, json=ping, headers=headers)
        revoked = await http.post(str(context.oauth_metadata.revocation_endpoint), data=form)
        after = await http.post(url, json=ping, headers=headers)
    tell(
        shares=shares,
        content=[part.type for part in drawn.content],
        job=drawn.structured_content,
        failed=drawn.is_error or listed.is_error,
        scope=first.scope,
        refreshed=tokens.access_token != first.access_token and tokens.refresh_token != first.refresh_token,
        statuses=[before.status_code, revoked.status_code, after.status_code],
    )


if __name__ == "__main__":
    asyncio.run(go(*sys.argv[1:]))
