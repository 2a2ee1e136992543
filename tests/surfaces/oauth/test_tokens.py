"""Tokens: given for a code and a refresh token, to their owner alone, for as long and as much as was allowed."""

import base64

from surfaces.oauth.dance import BASE, REDIRECT, VERIFIER, allowed_code, request_of, some_ip

from imgen.domain.oauth.grants import ACCESS_TOKEN_S, CODE_S, GRACE_S, REFRESH_TOKEN_S
from imgen.records import audit
from imgen.services.oauth import connections
from imgen.services.oauth.tokens import REFRESHES_BY_CONNECTION

INVALID = "invalid_grant"


async def error(answering) -> str:
    """The code of an error that is answered."""
    told = await answering
    assert set(told) == {"error", "error_description"}
    return told["error"]


def test_a_code_gives_tokens_that_work(oauth):
    """On Forge as Bearer alone: not in the query, not in the header of keys, not on a surface that takes keys alone."""

    async def steps(site):
        async with site.connected() as (client_id, tokens, _):
            assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
            assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 3600, "generate read")
            token = tokens["access_token"]
            assert await site.forge_status(token) == 200
            async with site.client(some_ip()) as client:
                bare = await client.get("/v2/jobs", params={"access_token": token})
                as_key = await client.get("/v2/jobs", headers={"X-API-Key": token})
                asked_again = await client.post(
                    "/token", params={"client_id": client_id, "grant_type": "refresh_token"}
                )
            assert (bare.status_code, as_key.status_code, asked_again.status_code) == (401, 401, 400)
            assert (
                'resource_metadata="http://127.0.0.1/.well-known/oauth-protected-resource/v2"'
                in (bare.headers["www-authenticate"])
            )
            assert "error=" not in bare.headers["www-authenticate"]

    oauth(steps)


def test_a_code_is_its_owners_alone(oauth):
    """A wrong verifier, another redirect URI, another client: refused, and the owner's exchange still works."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id, other = [(await site.register())["client_id"] for _ in range(2)]
            code = await allowed_code(browser, client_id)
            for changes, expected in (
                ({"code_verifier": "w" * 43}, INVALID),
                ({"code_verifier": "short"}, INVALID),
                ({"code_verifier": ""}, INVALID),
                ({"redirect_uri": REDIRECT + "/more"}, INVALID),
                ({"client_id": other}, INVALID),
                ({"client_id": "client_unknown"}, "invalid_client"),
                ({"code": "imgc_unknown"}, INVALID),
                ({"resource": "https://other.example"}, "invalid_target"),
                ({"grant_type": "password"}, "unsupported_grant_type"),
            ):
                status = 401 if expected == "invalid_client" else 400
                assert (
                    await error(site.exchange(**{"client_id": client_id, "code": code} | changes, status=status))
                    == expected
                )
            assert await site.exchange(client_id, code, redirect_uri=REDIRECT)

    oauth(steps)


def test_a_code_that_comes_again_ends_what_it_gave(oauth):
    """Access and refresh tokens of it are refused from then on; it is noted once, however often the code comes."""

    async def steps(site):
        async with site.person() as (user, browser):
            client_id = (await site.register())["client_id"]
            code = await allowed_code(browser, client_id)
            tokens = await site.exchange(client_id, code)
            assert await site.forge_status(tokens["access_token"]) == 200
            for _ in range(3):
                assert await error(site.exchange(client_id, code, status=400)) == INVALID
            assert await site.forge_status(tokens["access_token"]) == 401
            assert await error(site.refresh(client_id, tokens["refresh_token"], status=400)) == INVALID
            (connected,) = await connections.of_user(site.core, user)
            noted = await site.core.database.reading(audit.of_subject, connected.id)
            assert [entry.action for entry in noted].count("ended tokens") == 1

    oauth(steps)


def test_a_code_is_good_for_a_minute(oauth):
    """Not longer."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            now = site.core.clock()
            code = await allowed_code(browser, client_id)
            site.core.clock = lambda: now + CODE_S + 5
            assert await error(site.exchange(client_id, code, status=400)) == INVALID

    oauth(steps)


def test_an_access_token_is_good_for_an_hour(oauth):
    """Then 401 names the reason and the way to a new one; the refresh token is good for 30 days."""

    async def steps(site):
        async with site.connected() as (client_id, tokens, _):
            now = site.core.clock()
            site.core.clock = lambda: now + ACCESS_TOKEN_S + 5
            async with site.client(some_ip(), Authorization=f"Bearer {tokens['access_token']}") as client:
                answer = await client.get("/v2/jobs")
            assert answer.status_code == 401
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
            assert 'scope="generate read"' in answer.headers["www-authenticate"]
            fresh = await site.refresh(client_id, tokens["refresh_token"])
            assert await site.forge_status(fresh["access_token"]) == 200
            site.core.clock = lambda: now + 2 * ACCESS_TOKEN_S + REFRESH_TOKEN_S
            assert await error(site.refresh(client_id, fresh["refresh_token"], status=400)) == INVALID

    oauth(steps)


def test_a_refresh_token_is_rotated(oauth):
    """The one of before gives an access token for a minute and no refresh token; the new one goes on."""

    async def steps(site):
        async with site.connected() as (client_id, tokens, _):
            renewed = await site.refresh(client_id, tokens["refresh_token"])
            assert renewed["refresh_token"] != tokens["refresh_token"]
            again = await site.refresh(client_id, tokens["refresh_token"])
            assert "refresh_token" not in again
            for token in (tokens, renewed, again):
                assert await site.forge_status(token["access_token"]) == 200
            assert "refresh_token" in await site.refresh(client_id, renewed["refresh_token"])

    oauth(steps)


def test_a_stolen_refresh_token_ends_its_family(oauth):
    """A rotated one that comes after its minute ends every token of the family, and of no other."""

    async def steps(site):
        async with site.connected() as (client_id, tokens, browser):
            other = await site.exchange(client_id, await allowed_code(browser, client_id))
            now = site.core.clock()
            renewed = await site.refresh(client_id, tokens["refresh_token"])
            site.core.clock = lambda: now + GRACE_S + 5
            assert await error(site.refresh(client_id, tokens["refresh_token"], status=400)) == INVALID
            assert await error(site.refresh(client_id, renewed["refresh_token"], status=400)) == INVALID
            assert await site.forge_status(renewed["access_token"]) == 401
            assert await site.forge_status(other["access_token"]) == 200

    oauth(steps)


def test_refreshes_are_few(oauth_sqlite):
    """Of one application in a quarter of an hour: each leaves a row for a month. Others go on."""

    async def steps(site):
        async with site.connected() as (client_id, tokens, _), site.connected() as (other, theirs, _):
            for _ in range(REFRESHES_BY_CONNECTION):
                tokens = await site.refresh(client_id, tokens["refresh_token"])
            refused = await site.refresh(client_id, tokens["refresh_token"], status=429)
            assert refused["error"] == "temporarily_unavailable"
            assert "refresh_token" in await site.refresh(other, theirs["refresh_token"])

    oauth_sqlite(steps)


def test_refusals_wait_for_no_writer(oauth_sqlite):
    """Anybody may register and send codes and tokens that are none: they are refused while the database is being written to."""

    async def steps(site):
        client_id = (await site.register())["client_id"]
        with site.core.database.write():
            assert await error(site.exchange(client_id, "imgc_unknown", status=400)) == INVALID
            assert await error(site.refresh(client_id, "imgr_unknown", status=400)) == INVALID
            await site.revoke(client_id, "imgo_unknown")

    oauth_sqlite(steps)


def test_scopes_are_never_raised(oauth):
    """Fewer may be asked for at a refresh, more may not; Forge says which are needed."""

    async def steps(site):
        async with site.connected(scope="read") as (client_id, tokens, _):
            wanted = site.refresh(client_id, tokens["refresh_token"], scope="generate read", status=400)
            assert await error(wanted) == "invalid_scope"
            renewed = await site.refresh(client_id, tokens["refresh_token"], scope="read")
            async with site.client(some_ip(), Authorization=f"Bearer {renewed['access_token']}") as client:
                answer = await client.post("/v2/generate", json={"prompt": "a red coat"})
            assert answer.status_code == 403
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
            assert 'scope="generate read"' in answer.headers["www-authenticate"]

        async with site.connected() as (client_id, tokens, _):
            fewer = await site.refresh(client_id, tokens["refresh_token"], scope="read")
            assert fewer["scope"] == "read"
            assert (await site.refresh(client_id, fewer["refresh_token"]))["scope"] == "generate read"

    oauth(steps)


def test_a_token_is_good_for_its_resource_alone(oauth):
    """One for the agents' tools is refused by Forge, and the other way; one for all is taken, and may be made narrower, never wider."""

    async def steps(site):
        tools, for_forge = f"{BASE}/mcp", f"{BASE}/v2"
        for resource, at_forge, at_tools in (
            (tools, 401, 405), (for_forge, 200, 401), (BASE, 200, 405), (f"{BASE}/", 200, 405),
        ):  # fmt: skip
            async with site.connected(resource=resource) as (client_id, tokens, _):
                assert await site.forge_status(tokens["access_token"]) == at_forge, resource
                assert await site.mcp_status(tokens["access_token"]) == at_tools, resource
                if resource == tools:
                    wider = site.refresh(client_id, tokens["refresh_token"], resource=for_forge, status=400)
                    assert await error(wider) == "invalid_target"
                if resource == BASE:
                    narrow = await site.refresh(client_id, tokens["refresh_token"], resource=tools)
                    assert await site.forge_status(narrow["access_token"]) == 401

    oauth(steps)


def test_revocation(oauth):
    """An access token alone, a refresh token with its family; an unknown token and one of another client change nothing."""

    async def steps(site):
        async with site.connected() as (client_id, tokens, _):
            other = (await site.register())["client_id"]
            for client, token in ((other, tokens["refresh_token"]), (client_id, "imgr_unknown")):
                await site.revoke(client, token)
            assert await site.forge_status(tokens["access_token"]) == 200
            renewed = await site.refresh(client_id, tokens["refresh_token"])
            await site.revoke(client_id, tokens["access_token"])
            assert await site.forge_status(tokens["access_token"]) == 401
            assert await site.forge_status(renewed["access_token"]) == 200
            await site.revoke(client_id, renewed["refresh_token"])
            assert await site.forge_status(renewed["access_token"]) == 401
            assert await error(site.refresh(client_id, renewed["refresh_token"], status=400)) == INVALID

    oauth(steps)


def test_a_confidential_client_proves_itself(oauth):
    """By HTTP Basic without an id in the form, or by the form; without its secret it gets nothing, nor with two proofs."""

    async def steps(site):
        async with site.person() as (_, browser):
            made = await site.register(token_endpoint_auth_method="client_secret_basic")
            client_id, secret = made["client_id"], made["client_secret"]
            assert made["client_secret_expires_at"] == 0
            pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
            form = {"grant_type": "authorization_code", "code_verifier": VERIFIER}
            basic = {"Authorization": f"Basic {pair}"}
            code = await allowed_code(browser, client_id)
            for status, headers, more in (
                (401, {}, {"client_id": client_id}),
                (401, {}, {"client_id": client_id, "client_secret": "imgs_wrong"}),
                (401, {"Authorization": "Basic !"}, {}),
                (401, {}, {}),
                (400, basic, {"client_secret": secret}),
                (400, basic, {"client_id": "client_other"}),
            ):
                await site.token(status=status, headers=headers, code=code, **form, **more)
            assert await site.token(headers=basic, code=code, **form)
            code = await allowed_code(browser, client_id)
            posted = await site.token(code=code, client_id=client_id, client_secret=secret, **form)
            assert "refresh_token" in posted

    oauth(steps)


def test_a_public_client_has_no_secret(oauth_sqlite):
    """One that is sent proves nothing and is refused; a form has every field once."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            code = await allowed_code(browser, client_id)
            await site.exchange(client_id, code, client_secret="imgs_made_up", status=401)
            async with site.client() as client:
                twice = f"grant_type=authorization_code&client_id={client_id}&client_id={client_id}&code={code}"
                kind = {"content-type": "application/x-www-form-urlencoded"}
                answers = [
                    await client.post("/token", content=twice, headers=kind),
                    await client.post("/token", content=b"\xff\xfe=1", headers=kind),
                    await client.post("/token", content=b"a=%FF", headers=kind),
                    await client.post("/token", json=request_of(client_id)),
                ]
            assert {(one.status_code, one.json()["error"]) for one in answers} == {(400, "invalid_request")}

    oauth_sqlite(steps)
