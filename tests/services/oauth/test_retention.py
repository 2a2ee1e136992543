"""Retention of codes, tokens and clients; names of connected applications."""

import pytest

from imgen.domain.oauth.clients import ClientMetadata, make_client, new_client_id
from imgen.domain.oauth.grants import ACCESS, ACCESS_TOKEN_S, CODE_S, REFRESH, REFRESH_TOKEN_S, Grant
from imgen.records import job_makers, oauth_clients, oauth_connections, oauth_tokens
from imgen.records.oauth_tokens import USED_CODE_KEPT_S, Code
from imgen.services import retention

NOW = 1_800_000_000.0


def connect(connection, **grant):
    """A client that somebody allowed something, with a code and both tokens."""
    metadata = ClientMetadata(redirect_uris=["https://app.example.com/callback"], client_name="Kite")
    client = make_client(new_client_id(), metadata, now=NOW)
    oauth_clients.add(connection, client)
    oauth_clients.note_used(connection, client.id, now=NOW)
    made = oauth_connections.connect(
        connection, client, user_id="usr_1", tenant_id="ten_1", scopes=("read",), resource="", now=NOW
    )
    of = Grant(
        connection_id=made, client_id=client.id, user_id="usr_1", tenant_id="ten_1", scopes=("read",), resource=""
    )
    code = Code(hash="code", family_id="fam_1", grant=of, redirect_uri="", challenge="")
    oauth_tokens.add_code(connection, code, now=NOW)
    for kind in (ACCESS, REFRESH):
        oauth_tokens.add_token(connection, kind, kind, "fam_1", of, now=NOW)
    return client.id, made


def left(connection, client_id):
    """Kinds of rows that are still there."""
    found = {
        "code": oauth_tokens.find_code(connection, "code"),
        "access": oauth_tokens.find_token(connection, ACCESS),
        "refresh": oauth_tokens.find_token(connection, REFRESH),
        "client": oauth_clients.find(connection, client_id),
    }
    return {name for name, row in found.items() if row is not None}


@pytest.mark.parametrize(
    ("after_s", "kept"),
    [
        (CODE_S + 5, {"code", "access", "refresh", "client"}),
        (ACCESS_TOKEN_S + 5, {"code", "refresh", "client"}),
        (CODE_S + USED_CODE_KEPT_S + 5, {"refresh", "client"}),
        (REFRESH_TOKEN_S + 5, {"client"}),
        (oauth_clients.FORGOTTEN_S + 5, {"client"}),
    ],
)
def test_what_is_past_its_time_goes(core, after_s, kept):
    """A code that was used stays for a day, so that its reuse is seen; a client stays while an application is connected."""

    async def work(opened):
        client_id, _ = await opened.database.writing(connect)
        opened.clock = lambda: NOW + after_s
        await retention.sweep(opened)
        return await opened.database.reading(left, client_id)

    assert core(work) == kept


def test_the_name_of_an_application_outlives_its_revocation(database):
    """Jobs that it made are told by it, and found by its id."""
    with database.write() as connection:
        client_id, made = connect(connection)
        oauth_connections.revoke(connection, made, user_id="usr_1", now=NOW)
        assert left(connection, client_id) >= {"client"}
        assert job_makers.names(connection, [made, "key_1"]) == {made: "Kite (connected application)"}
        assert job_makers.named(connection, made) == {made}
