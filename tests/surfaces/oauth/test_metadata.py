"""Metadata: the address that clients are told, and what stands there."""

from surfaces.oauth.dance import BASE, OAuthSite

from imgen.settings import Settings

SERVER = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"


def with_public_url(settings: Settings, url: str) -> Settings:
    """The settings with a public address."""
    return settings.model_copy(update={"http": settings.http.model_copy(update={"public_url": url})})


async def issuer(site: OAuthSite, host: str) -> str:
    """The issuer as a client of that host sees it."""
    async with site.client() as client:
        return (await client.get(SERVER, headers={"Host": host})).json()["issuer"]


def test_the_server_tells_what_it_does(oauth_sqlite):
    """PKCE by S256 alone, public clients, registration, revocation, documents, `iss`; its endpoints are there."""

    async def steps(site):
        async with site.client() as client:
            told = (await client.get(SERVER)).json()
            assert told["issuer"] == BASE
            assert told["code_challenge_methods_supported"] == ["S256"]
            assert told["response_types_supported"] == ["code"]
            assert told["grant_types_supported"] == ["authorization_code", "refresh_token"]
            methods = ["none", "client_secret_basic", "client_secret_post"]
            assert told["token_endpoint_auth_methods_supported"] == methods
            assert told["revocation_endpoint_auth_methods_supported"] == methods
            assert told["authorization_response_iss_parameter_supported"] is True
            assert told["client_id_metadata_document_supported"] is True
            assert told["scopes_supported"] == ["generate", "read"]
            for name in ("token", "registration", "revocation"):
                assert (await client.post(told[f"{name}_endpoint"])).status_code == 400
            assert (await client.get(told["authorization_endpoint"])).headers["location"] == "/sign-in"

    oauth_sqlite(steps)


def test_each_resource_names_the_server(oauth_sqlite):
    """The root, the agents' tools and Forge; another path has no document."""

    async def steps(site):
        async with site.client() as client:
            for path in ("", "/mcp", "/v2"):
                told = (await client.get(RESOURCE + path)).json()
                assert (told["resource"], told["authorization_servers"]) == (BASE + path, [BASE])
                assert told["bearer_methods_supported"] == ["header"]
                assert told["scopes_supported"] == ["generate", "read"]
            assert (await client.get(RESOURCE + "/other")).status_code == 404

    oauth_sqlite(steps)


def test_a_host_is_believed_on_loopback_alone(oauth_sqlite):
    """Without a public address callers of this machine see their own; a foreign `Host` changes nothing."""

    async def steps(site):
        own = site.core.settings.public_url
        assert await issuer(site, "localhost:8123") == "http://localhost:8123"
        assert await issuer(site, "[::1]:8123") == "http://[::1]:8123"
        for foreign in (
            "evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "[::1",
            "10.0.0.1:8000",
            'localhost:80"x',
            "evil@localhost",
            "localhost/x",
            "localhost?x",
            "",
        ):
            assert await issuer(site, foreign) == own, foreign
        site.core.settings = with_public_url(site.core.settings, "https://pictures.example.com/")
        for host in ("localhost:8123", "evil.example"):
            assert await issuer(site, host) == "https://pictures.example.com"

    oauth_sqlite(steps)
