"""Client id metadata documents: read over https from public addresses alone, kept for a while, never believed about another id."""

import ipaddress
import json
import secrets

import pytest
from servers.canary import make_tls, start_canary
from servers.faulty_http import answer, start_faulty_http
from surfaces.oauth.dance import LOOPBACK, REDIRECT, ask, decide, told

from imgen.outgoing.client import OutgoingClient
from imgen.services.oauth import documents

NAME = "app.example.com"


async def here(_host, _port):
    """Resolver of every name to this machine."""
    return ["127.0.0.1"]


class Author:
    """Author of documents on a server with a certificate, and a client that is let through to it."""

    def __init__(self, server, trust) -> None:
        self.server = server
        self.id = f"https://{NAME}:{server.server_port}/{secrets.token_hex(4)}/client.json"
        networks = (ipaddress.ip_network("127.0.0.0/8"),)
        self.client = OutgoingClient(allow=networks, timeout_s=30, resolve=here, tls=trust)

    def publish(self, status=200, kind="application/json", cache="", body=None, **fields):
        """Puts a document at the address, of this id unless told otherwise."""
        document = {"client_id": self.id, "client_name": "Kite", "redirect_uris": [REDIRECT]} | fields
        headers = {"Content-Type": kind} | ({"Cache-Control": cache} if cache else {})
        self.server.standing = answer(status, json.dumps(document).encode() if body is None else body, headers)


@pytest.fixture(scope="module")
def host():
    """A server, and the trust of a client in it."""
    tls, trust = make_tls(NAME)
    with start_faulty_http(answer(404)) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        yield server, trust


@pytest.fixture
def author(host):
    """An author with an address of its own there."""
    return Author(*host)


def test_a_document_is_a_client(oauth, author):
    """The page shows its proven host, the code gives tokens, and the account's page has the host as well."""

    async def steps(site):
        site.core.outgoing = author.client
        author.publish()
        async with site.person() as (_, browser):
            page = await ask(browser, author.id)
            assert f"<strong>{NAME}:" in page.text
            assert "unverified" not in page.text
            code = told(await decide(browser, page))["code"]
            tokens = await site.exchange(author.id, code)
            assert await site.forge_status(tokens["access_token"]) == 200
            assert await site.refresh(author.id, tokens["refresh_token"])
            assert NAME in (await browser.get("/account")).text
            assert "code" in told(await ask(browser, author.id))

    oauth(steps)


def test_a_program_of_a_public_id_is_asked_for_again(oauth_sqlite, author):
    """Any program of the machine can wait at a loopback address under an id that all know."""

    async def steps(site):
        site.core.outgoing = author.client
        author.publish(redirect_uris=[LOOPBACK])
        async with site.person() as (_, browser):
            for _ in range(2):
                page = await ask(browser, author.id, redirect_uri=LOOPBACK)
                assert "this computer" in page.text
                assert "code" in told(await decide(browser, page), LOOPBACK)

    oauth_sqlite(steps)


def test_bad_documents_are_refused(oauth_sqlite, author):
    """Another id, a secret, bad redirect URIs, no JSON, too long, a redirect, not there: nothing is asked of the person."""

    async def steps(site):
        site.core.outgoing = author.client
        other = answer(302, headers={"Location": author.id})
        async with site.person() as (_, browser):
            for change in (
                {"client_id": "https://other.example.com/client.json"}, {"client_id": author.id + "?"}, {"client_id": None},
                {"token_endpoint_auth_method": "client_secret_basic"}, {"redirect_uris": ["http://evil.example/"]},
                {"redirect_uris": []}, {"kind": "text/html"}, {"body": b"{"}, {"body": b"\xff"}, {"body": b"[]"},
                {"status": 404}, {"status": 201}, {"client_name": "a" * documents.MAX_BYTES}, None,
            ):  # fmt: skip
                author.publish(**change) if change is not None else setattr(author.server, "standing", other)
                page = await ask(browser, author.id)
                assert (page.status_code, "location" in page.headers) == (400, False), change
                assert "cannot be connected" in page.text

    oauth_sqlite(steps)


def test_documents_of_private_addresses_are_never_read(oauth_sqlite):
    """Neither as they are written nor behind a name: the canary hears nothing. Nor is anything read for a stranger."""

    async def steps(site):
        with start_canary() as canary:
            async with site.person() as (_, browser):
                for host in ("127.0.0.1", "localhost", "[::1]", "10.0.0.1", "2130706433", "169.254.169.254", "127.1"):
                    page = await ask(browser, f"https://{host}:{canary.port}/client.json")
                    assert (page.status_code, "location" in page.headers) == (400, False), host
                site.core.outgoing = OutgoingClient(timeout_s=30, resolve=here)
                page = await ask(browser, f"https://{NAME}:{canary.port}/client.json")
                assert page.status_code == 400
            async with site.client() as stranger:
                assert (await ask(stranger, f"https://{NAME}:{canary.port}/client.json")).status_code == 303
            assert canary.heard == []

    oauth_sqlite(steps)


def test_ids_of_another_form_are_refused(oauth_sqlite, author):
    """One document has one id: nothing that could be left out or written otherwise, and a path."""

    async def steps(site):
        site.core.outgoing = author.client
        author.publish()
        count = len(author.server.requests)
        port = author.server.server_port
        async with site.person() as (_, browser):
            for client_id in (
                f"https://{NAME}:{port}", f"https://{NAME}:{port}/", f"https://{NAME.upper()}:{port}/client.json",
                f"https://user@{NAME}:{port}/client.json", author.id + "#x", f"https://{NAME}:{port}/a/../client.json",
                f"https://{NAME}:{port}/./client.json", author.id + "?" + "a" * 600,
            ):  # fmt: skip
                assert (await ask(browser, client_id)).status_code == 400, client_id
        assert len(author.server.requests) == count

    oauth_sqlite(steps)


def test_a_document_is_kept_for_as_long_as_it_says(oauth_sqlite, author):
    """Within bounds: at least a minute, at most a day, an hour where nothing is said; afterwards it is read anew."""

    async def steps(site):
        now = site.core.clock()
        for cache, lasts_s in (
            ("max-age=600", 600), ("max-age=1", 60), ("no-store", 60), ("public, max-age=99999999", 86_400), ("", 3600),
        ):  # fmt: skip
            now += 200_000
            author.publish(cache=cache, client_name=f"Kite {lasts_s}")
            reads = []
            for after_s in (0, lasts_s - 1, lasts_s + 1):
                site.core.clock = lambda now=now + after_s: now
                count = len(author.server.requests)
                found = await documents.find(site.core, author.id, user_id="usr_1", client=author.client)
                assert found.name == f"Kite {lasts_s}"
                reads.append(len(author.server.requests) - count)
            assert reads == [1, 0, 1], cache

    oauth_sqlite(steps)


def test_reads_for_one_person_are_few(oauth_sqlite, author):
    """Other servers are not to be asked without end."""

    async def steps(site):
        site.core.outgoing = author.client
        author.server.standing = answer(404)
        count = len(author.server.requests)
        async with site.person() as (_, browser):
            for _ in range(documents.READS_BY_PERSON + 3):
                page = await ask(browser, author.id)
            assert page.status_code == 429
        assert len(author.server.requests) - count == documents.READS_BY_PERSON

    oauth_sqlite(steps)
