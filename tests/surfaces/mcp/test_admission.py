"""Admission to MCP: who is let in, from where, and where clients are sent that are not."""

import pytest
from surfaces.mcp.agents import MODERN, OLDER, VERSIONS, message

LIST = message("tools/list")
READ_ONLY = {"scopes": "read"}


@pytest.fixture(scope="module")
def reader(agents):
    """A key that may read alone."""
    return agents.new_key("reader", scope="read")


def challenge_of(answer):
    """Parts of a challenge."""
    scheme, _, rest = answer.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(part.split("=", 1) for part in rest.split(", "))


def test_whoever_has_no_token_is_led_to_the_authorization_server(agents):
    """The challenge names metadata and scopes, and no error: nothing was sent that could be wrong."""
    for answer in (agents.post(LIST, key=None), agents.post(LIST, key=None, method="GET")):
        assert answer.status_code == 401
        assert challenge_of(answer) == {
            "resource_metadata": f'"{agents.api.url}/.well-known/oauth-protected-resource/mcp"',
            "scope": '"generate read"',
        }
        assert answer.json() == {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Unauthorized"}}


def test_a_wrong_token_is_told_as_one(agents):
    """Its client gets another one."""
    answer = agents.post(LIST, key="imgen_" + "0" * 64)
    assert answer.status_code == 401
    assert challenge_of(answer)["error"] == '"invalid_token"'


@pytest.mark.parametrize("name", ["access_token", "token", "api_key", "key"])
def test_a_token_in_the_address_is_refused(agents, name):
    """Even a right one, beside a right one in the header: logs would spread it."""
    assert agents.post(LIST, query=f"?{name}={agents.api.key}", key=None).status_code == 401
    assert agents.post(LIST, query=f"?{name}={agents.api.key}").status_code == 401


@pytest.mark.parametrize("version", ["", MODERN, OLDER])
def test_a_caller_without_the_scope_is_told_all_that_are_needed(agents, reader, version):
    """Generating and cancelling need `generate`; asking for it once more gets both scopes at once."""
    for tool in ("generate_image", "image_generate", "cancel_job"):
        sent = message("tools/call", name=tool, arguments={"prompt": "a"})
        answer = agents.post(sent, key=reader, version=version)
        assert answer.status_code == 403
        assert challenge_of(answer)["error"] == '"insufficient_scope"'
        assert challenge_of(answer)["scope"] == '"generate read"'


@pytest.mark.parametrize("mode", VERSIONS)
def test_reading_needs_no_more_than_its_scope(agents, reader, mode):
    """A key that may read lists the models."""

    async def steps():
        async with agents.client(mode, key=reader) as client:
            return await client.call_tool("list_models", {})

    assert not agents.run(steps).is_error


def test_a_plan_without_the_surface_is_refused(agents):
    """With no challenge: another token would change nothing."""
    answer = agents.post(LIST, key=agents.new_key("rest", plan="rest"))
    assert answer.status_code == 403
    assert "www-authenticate" not in answer.headers


def test_requests_over_the_rate_are_told_when_to_come_again(agents):
    """As on every surface: with the rate in the head, and without counting those that are refused."""
    key = agents.new_key("slow", plan="slow")
    answers = [agents.post(LIST, key=key, version=OLDER) for _ in range(5)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) == 3
    assert int(refused[0].headers["retry-after"]) > 0
    assert refused[0].json()["error"]["message"] == "Rate limit exceeded"
    assert "ratelimit" in answers[0].headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
        ({"Host": "[::1"}, 421),
    ],
)
def test_foreign_pages_and_names_are_refused_before_anything_else(agents, headers, status):
    """A page that has a browser call us (DNS rebinding) gets nothing, with a key and without."""
    for key in ("", None):
        assert agents.post(LIST, key=key, headers=headers).status_code == status


@pytest.mark.parametrize("origin", ["http://localhost:6274", "http://127.0.0.1", "http://[::1]:80"])
def test_pages_of_this_machine_may_call(agents, origin):
    """Inspectors run there."""
    assert agents.post(LIST, version=OLDER, headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
@pytest.mark.parametrize("version", ["", MODERN, OLDER])
def test_other_methods_are_not_allowed(agents, method, version):
    """There is no stream beside a request, and no session to delete."""
    answer = agents.post(method=method, version=version)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_a_message_over_the_limit_is_refused(agents):
    """Declared or not."""
    sent = {"content": b" " * (12 * 1024 * 1024 + 1)}
    assert agents.post(**sent).status_code == 413
    assert agents.post(content=iter((sent["content"],))).status_code == 413


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"[" * 100_000, b"\xff", b'{"method": "tools/call", "params": 5}']
)
@pytest.mark.parametrize("version", ["", MODERN])
def test_a_body_that_is_no_message_is_refused(agents, body, version):
    """As an error of JSON-RPC."""
    headers = {"Content-Type": "application/json"}
    answer = agents.post(content=body, version=version, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] < 0
