"""The client of the `mcp` package goes the whole way by itself: from a 401 to an answer, and on with a refresh token."""

import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.shared.auth import OAuthClientMetadata
from surfaces.oauth.dance import BASE, LOOPBACK, ask_at, decide, some_ip, told
from surfaces.oauth.memory import Memory


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
def test_the_client_of_the_package_is_served(oauth_sqlite, method):
    """It finds server and resource, registers, proves itself, checks `iss`, and refreshes, with each way of authentication."""

    async def steps(site):
        async with site.person() as (_, browser):
            answers = []

            async def open_browser(url):
                answers.append(told(await decide(browser, await ask_at(browser, url)), LOOPBACK))

            async def answer():
                return AuthorizationCodeResult(code=answers[-1]["code"], state=answers[-1]["state"], iss=BASE)

            metadata = OAuthClientMetadata(
                redirect_uris=[LOOPBACK], client_name="Kite", token_endpoint_auth_method=method,
                grant_types=["authorization_code", "refresh_token"],
            )  # fmt: skip
            memory = Memory()
            provider = OAuthClientProvider(
                server_url=f"{BASE}/v2",
                client_metadata=metadata,
                storage=memory,
                redirect_handler=open_browser,
                callback_handler=answer,
            )
            transport = httpx2.ASGITransport(site.app, client=(some_ip(), 50_000))
            async with httpx2.AsyncClient(transport=transport, base_url=BASE, auth=provider, timeout=60) as client:
                assert (await client.get("/v2/jobs")).status_code == 200
                first = memory.tokens
                assert first.scope == "generate read"
                provider.context.token_expiry_time = 1  # long ago
                assert (await client.get("/v2/jobs")).status_code == 200
            assert memory.tokens.refresh_token not in (None, first.refresh_token)
            assert len(answers) == 1

    oauth_sqlite(steps)
