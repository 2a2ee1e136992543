"""Registration: what is registered, what is refused, and the limits of those whom nobody knows."""

import itertools

import pytest
from surfaces.oauth.dance import LOOPBACK, REDIRECT, some_ip

from imgen.domain.errors import RateLimited
from imgen.domain.oauth.clients import ClientMetadata, make_client, new_client_id
from imgen.records import oauth_clients
from imgen.services.oauth import clients

BAD_URIS = (
    "http://app.example.com/callback", "https://*.example.com/callback", "https://app.example.com/*", REDIRECT + "#x",
    "https://user@app.example.com/", "cursor://callback", "javascript:alert(1)", "data:text/html,x", "//app.example.com/",
    "/callback", "", "https://", "http://127.0.0.1.evil.example/", "http://localhost.evil.example/", "http://10.0.0.1/",
    "https://app.example.com\\@evil.example/", "https://app.example.com/\r\nX: y", "https://app.example.com:x/",
    "https://app.example.com/" + "a" * 1000, "https://äpp.example.com/", "HTTP://app.example.com/",
)  # fmt: skip


def test_what_is_registered_is_echoed(oauth_sqlite):
    """With the defaults of what was left out; names lose signs that no page would show."""

    async def steps(site):
        made = await site.register(
            redirect_uris=[REDIRECT, LOOPBACK, REDIRECT], client_name=" Kite\n\u202e 2 ", logo_uri="x"
        )
        assert made.pop("client_id").startswith("client_")
        assert made.pop("client_id_issued_at") > 1_700_000_000
        assert made == {
            "redirect_uris": [REDIRECT, LOOPBACK],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": "generate read",
            "client_name": "Kite 2",
        }
        fewer = await site.register(
            token_endpoint_auth_method=None, scope="read offline_access", grant_types=["authorization_code"],
            application_type="native", client_uri="https://app.example.com",
        )  # fmt: skip
        assert fewer["token_endpoint_auth_method"] == "client_secret_basic"
        assert len(fewer["client_secret"]) > 40
        assert (fewer["scope"], fewer["client_secret_expires_at"]) == ("read", 0)
        assert fewer["grant_types"] == ["authorization_code"]
        assert (fewer["application_type"], fewer["client_uri"]) == ("native", "https://app.example.com")

    oauth_sqlite(steps)


def test_bad_redirect_uris_are_refused(oauth_sqlite):
    """Each by its own error, alone and beside a good one."""

    async def steps(site):
        for uri, together in itertools.product(BAD_URIS, ([], [REDIRECT])):
            told = await site.register(status=400, redirect_uris=[*together, uri])
            assert told["error"] == "invalid_redirect_uri", uri
        for uris in ([], None, [f"{REDIRECT}/{number}" for number in range(21)]):
            assert (await site.register(status=400, redirect_uris=uris))["error"] == "invalid_redirect_uri"

    oauth_sqlite(steps)


def test_bad_metadata_are_refused(oauth_sqlite):
    """By the error of RFC 7591, whatever was sent."""

    async def steps(site):
        for fields in (
            {"token_endpoint_auth_method": "private_key_jwt"}, {"grant_types": ["password"]}, {"grant_types": []},
            {"response_types": ["token"]}, {"scope": "admin"}, {"client_name": 7}, {"redirect_uris": REDIRECT},
            {"redirect_uris": [7]},
        ):  # fmt: skip
            assert (await site.register(status=400, **fields))["error"] == "invalid_client_metadata", fields
        async with site.client(some_ip()) as client:
            for body, status in ((b"{", 400), (b"[]", 400), (b"\xff", 400), (b"[" * 5000, 400), (b" " * 20_000, 413)):
                answer = await client.post("/register", content=body)
                assert answer.status_code == status
                assert set(answer.json()) == {"error", "error_description"}

    oauth_sqlite(steps)


def test_a_thousand_registrations_are_few(oauth_sqlite):
    """Of one network only some are taken in a quarter of an hour, and of many networks not many; the others are told to wait."""

    async def steps(site):
        here, statuses = some_ip(), []
        async with site.client(here) as client:
            for _ in range(clients.BY_IP + 5):
                answer = await client.post("/register", json={"redirect_uris": [REDIRECT]})
                statuses.append(answer.status_code)
        assert statuses == [201] * clients.BY_IP + [429] * 5
        assert int(answer.headers["retry-after"]) > 1
        assert answer.json()["error"] == "temporarily_unavailable"
        await site.register()
        statuses = []
        for number in range(1000):
            async with site.client(f"10.200.{number // 250}.{number % 250}") as client:
                answer = await client.post("/register", json={"redirect_uris": [REDIRECT]})
                statuses.append(answer.status_code)
        assert statuses.count(201) < clients.IN_ALL
        assert set(statuses) == {201, 429}

    oauth_sqlite(steps)


def add_client(connection, *, now):
    client = make_client(new_client_id(), ClientMetadata(redirect_uris=[REDIRECT]), now=now)
    oauth_clients.add(connection, client)
    return client.id


def test_unused_clients_make_room_and_go(database):
    """A new one takes the place of the oldest that nobody used; none that came a moment ago is taken away. After a day all go."""
    now = 1_800_000_000.0
    with database.write() as connection:
        used = add_client(connection, now=now - 2)
        oauth_clients.note_used(connection, used, now=now)
        first, *others = [add_client(connection, now=now + number / 1000) for number in range(oauth_clients.MAX_UNUSED)]
        with pytest.raises(RateLimited):
            add_client(connection, now=now + 60)
        add_client(connection, now=now + oauth_clients.MIN_STAY_S + 0.0005)
        assert oauth_clients.find(connection, first) is None
        assert oauth_clients.find(connection, others[0]) is not None
        assert oauth_clients.find(connection, used) is not None
        later = now + oauth_clients.UNUSED_S + 3600
        assert oauth_clients.delete_unused(connection, now=later, limit=5000) == oauth_clients.MAX_UNUSED
        assert oauth_clients.find(connection, used) is not None
        assert oauth_clients.delete_unused(connection, now=later + oauth_clients.FORGOTTEN_S, limit=10) == 1
