"""Authorization: what the page says, what the application is told, and what is refused."""

from surfaces.oauth.dance import BASE, LOOPBACK, REDIRECT, allowed_code, ask, decide, refused, told

from imgen.services.oauth.authorization import CODES_BY_PERSON

PAGE_ERRORS = (
    {"redirect_uri": "https://evil.example/callback"},
    {"redirect_uri": REDIRECT + "/more"},
    {"redirect_uri": REDIRECT + "?more=1"},
    {"redirect_uri": REDIRECT.upper()},
    {"redirect_uri": "https://app.example.com:8443/callback"},
    {"redirect_uri": "http://app.example.com/callback"},
    {"redirect_uri": REDIRECT + "#x"},
    {"client_id": "client_unknown"},
    {"client_id": None},
)
"""Requests that no application may be told about."""
TOLD_ERRORS = (
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": None}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"request": "eyJ"}, "invalid_request"),
    ({"scope": "operate"}, "invalid_scope"),
    ({"scope": "generate admin"}, "invalid_scope"),
    ({"resource": "https://other.example/mcp"}, "invalid_target"),
    ({"resource": "http://127.0.0.1/other"}, "invalid_target"),
    ({"resource": "http://127.0.0.1/mcp#x"}, "invalid_target"),
)
"""Changes of a request, and the error that the application is told."""


def test_the_page_says_who_asks_for_what(oauth):
    """The name is unverified, the host of the answer and the scopes are in words, and no other site may frame the page."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register(client_name="Kite <b>\u202e"))["client_id"]
            page = await ask(browser, client_id, scope="read")
            assert page.status_code == 200
            assert "Kite &lt;b&gt;" in page.text
            assert "<b>" not in page.text
            assert "unverified" in page.text
            assert "<strong>app.example.com</strong>" in page.text
            assert "See this tenant" in page.text
            assert "Make pictures" not in page.text
            policy = page.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert "form-action 'self' https:;" in policy
            assert page.headers["x-frame-options"] == "DENY"
            local = (await site.register(redirect_uris=[LOOPBACK]))["client_id"]
            page = await ask(browser, local, redirect_uri=LOOPBACK)
            assert "this computer" in page.text
            assert "http://127.0.0.1:3000;" in page.headers["content-security-policy"]

    oauth(steps)


def test_a_first_consent_makes_a_tenant(oauth):
    """A person without a tenant gets one on the plan of sign-ups, and the application acts for it; the second makes none."""

    async def steps(site):
        async with site.person() as (user, browser):
            for name in ("Kite", "Lamp"):
                client_id = (await site.register(client_name=name))["client_id"]
                tokens = await site.exchange(client_id, await allowed_code(browser, client_id))
                assert await site.forge_status(tokens["access_token"]) == 200
            page = (await browser.get("/account")).text
            assert page.count(f">{user.name}</a></th><td>owner</td><td>Free</td>") == 1

    oauth(steps)


def test_a_person_chooses_the_tenant(oauth):
    """The token is for the chosen one; a tenant of others cannot be chosen."""

    async def steps(site):
        async with site.person() as (user, browser):
            first, second, foreign = (site.tenant("unlimited", *members) for members in ((user,), (user,), ()))
            client_id = (await site.register())["client_id"]
            page = await ask(browser, client_id)
            assert {first.name, second.name} <= set(page.text.replace("<", ">").split(">"))
            assert foreign.name not in page.text
            assert (await decide(browser, page, tenant=foreign.id)).status_code in (401, 403)
            code = told(await decide(browser, page, tenant=second.id))["code"]
            await site.exchange(client_id, code)
            assert second.name in (await browser.get("/account")).text.partition("Connected applications")[2]

    oauth(steps)


def test_errors_without_a_trusted_address_go_nowhere(oauth_sqlite):
    """An unknown application, or another redirect URI than its own, is told on a page: nobody is redirected."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            for changes in PAGE_ERRORS:
                answer = await ask(browser, client_id, **changes)
                assert (answer.status_code, "location" in answer.headers) == (400, False), changes
                assert "cannot be connected" in answer.text

    oauth_sqlite(steps)


def test_errors_are_told_to_the_application(oauth_sqlite):
    """By the redirect, with the state and with who answers."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            for changes, error in TOLD_ERRORS:
                assert refused(await ask(browser, client_id, **changes)) == error, changes

    oauth_sqlite(steps)


def test_a_field_sent_twice_is_refused(oauth_sqlite):
    """Two readers of such a request could see two different ones."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            page = await ask(browser, client_id)
            answer = await browser.get(f"{page.request.url}&redirect_uri=https%3A%2F%2Fevil.example")
            assert (answer.status_code, "location" in answer.headers) == (400, False)

    oauth_sqlite(steps)


def test_a_denial_is_told(oauth):
    """Nothing is remembered of it."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            assert refused(await decide(browser, await ask(browser, client_id), "deny")) == "access_denied"
            assert (await ask(browser, client_id)).status_code == 200
            assert "No application acts for you" in (await browser.get("/account")).text

    oauth(steps)


def test_what_was_allowed_is_not_asked_again(oauth):
    """The same or fewer scopes are answered at once; more are asked for, as is `prompt=consent`, and all after a revocation."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            code = told(await decide(browser, await ask(browser, client_id, scope="read")))["code"]
            assert (await site.exchange(client_id, code))["scope"] == "read"
            assert "code" in told(await ask(browser, client_id, scope="read"))
            assert (await ask(browser, client_id, scope="read", prompt="consent")).status_code == 200
            page = await ask(browser, client_id)
            assert page.status_code == 200
            assert "code" in told(await decide(browser, page))
            assert "code" in told(await ask(browser, client_id))
            account = (await browser.get("/account")).text
            path = account.partition('action="/account/applications/')[2].partition('"')[0]
            await browser.post(f"/account/applications/{path}", data={"csrftoken": browser.cookies["csrftoken"]})
            assert (await ask(browser, client_id, scope="read")).status_code == 200

    oauth(steps)


def test_what_was_allowed_for_a_resource_is_remembered_for_it_alone(oauth):
    """The page says for what the scopes are: the agents' tools are no word about Forge, and all of the server holds for each."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            tools, forge = {"resource": f"{BASE}/mcp"}, {"resource": f"{BASE}/v2"}
            for allowed in ({**tools, "scope": "read"}, {**forge, "scope": "generate"}):
                assert "code" in told(await decide(browser, await ask(browser, client_id, **allowed)))
                assert "code" in told(await ask(browser, client_id, **allowed))
            for more in (
                {**tools, "scope": "generate"},
                {**forge, "scope": "read"},
                {"scope": "read"},
                tools,
                forge,
                {},
            ):
                assert (await ask(browser, client_id, **more)).status_code == 200, more
            assert "code" in told(await decide(browser, await ask(browser, client_id)))
            for asked in (tools, forge, {}):
                assert "code" in told(await ask(browser, client_id, **asked))

    oauth(steps)


def test_codes_of_a_person_are_few(oauth_sqlite):
    """Those for what was allowed before as well, which any page may have the browser ask for."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            for _ in range(CODES_BY_PERSON):
                await allowed_code(browser, client_id)
            answer = await ask(browser, client_id)
            assert (answer.status_code, "location" in answer.headers) == (429, False)

    oauth_sqlite(steps)


def test_the_port_of_a_loopback_address_is_free(oauth_sqlite):
    """Of registered `http://127.0.0.1` and `http://[::1]` any port, but no other path or host."""

    async def steps(site):
        async with site.person() as (_, browser):
            registered = [LOOPBACK, "http://[::1]/callback"]
            client_id = (await site.register(redirect_uris=registered))["client_id"]
            for redirect in ("http://127.0.0.1:49152/callback", "http://127.0.0.1/callback", "http://[::1]:8/callback"):
                answer = await ask(browser, client_id, redirect_uri=redirect, prompt="consent")
                assert "code" in told(await decide(browser, answer), redirect)
            for redirect in (
                "http://localhost:3000/callback",
                "http://127.0.0.1:3000/other",
                "https://127.0.0.1/callback",
            ):
                assert (await ask(browser, client_id, redirect_uri=redirect)).status_code == 400

    oauth_sqlite(steps)
