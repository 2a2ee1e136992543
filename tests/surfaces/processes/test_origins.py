"""Browsers of other origins: CORS is off unless configured, and open to the named origin alone."""

import json

import httpx2
import pytest
from servers.api import start_api
from surfaces.processes.calls import error

SHOP = "https://shop.example.com"
SENT = "authorization, content-type, idempotency-key, last-event-id, x-api-key, x-csrftoken, x-imgen-tenant"
OPENAI = (
    "authorization, content-type, openai-organization, x-stainless-arch, x-stainless-lang, x-stainless-os, "
    "x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, x-stainless-runtime-version, x-stainless-timeout"
)
"""Headers of the npm package in a browser."""
EXPOSED = {"Retry-After", "WWW-Authenticate", "ETag", "X-Request-Id", "Idempotency-Replayed", "RateLimit"}
FOR_CLIENTS = {"Mcp-Session-Id", "x-should-retry", "retry-after-ms"}
"""Headers that libraries of MCP and OpenAI read."""


@pytest.fixture(scope="module")
def open_to_shop(pair, redis):
    """A third process over the same folder that browsers of one origin may call."""
    environ = {"IMGEN_REDIS__URL": redis.url, "IMGEN_HTTP__CORS_ORIGINS": json.dumps([SHOP])}
    with start_api(pair[0].data, environ=environ, name="third") as third:
        third.key = pair[0].key
        yield third


def preflight(api, origin, method="POST", headers=SENT, path="/api/v2"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return httpx2.options(api.url + path, headers=asked)


def access_headers(response):
    return {name: value for name, value in response.headers.items() if name.lower().startswith("access-control")}


def call_from(api, origin, body, key=None):
    headers = {"Authorization": f"Bearer {key or api.key}", "Origin": origin}
    return httpx2.post(f"{api.url}/api/v2", json=body, headers=headers)


def test_cors_is_off_where_nobody_configured_it(api):
    """OPTIONS is a method like any other that is not POST, and no answer speaks of origins."""
    refused = preflight(api, SHOP)
    assert error(refused) == (405, "Method not allowed")
    assert refused.headers["Allow"] == "POST"
    for answer in (refused, call_from(api, SHOP, {"action": "models"}), call_from(api, SHOP, {}, key="x")):
        assert access_headers(answer) == {}


def test_a_configured_origin_may_call(open_to_shop):
    """Its preflight passes, and it may read answers, errors and the headers that the contract names."""
    allowed = preflight(open_to_shop, SHOP)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == SHOP
    assert set(allowed.headers["Access-Control-Allow-Methods"].split(", ")) == {"GET", "HEAD", "POST", "DELETE"}
    assert allowed.headers["X-Request-Id"]
    named = allowed.headers["Access-Control-Allow-Headers"].lower()
    assert set(SENT.split(", ")) <= set(named.split(", "))
    for answer, code in (
        (call_from(open_to_shop, SHOP, {"action": "models"}), 200),
        (call_from(open_to_shop, SHOP, {"action": "nope"}), 400),
        (call_from(open_to_shop, SHOP, {"action": "models"}, key="x"), 401),
    ):
        assert answer.status_code == code
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == EXPOSED | FOR_CLIENTS
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_clients_of_openai_pass(open_to_shop):
    """A browser lets the npm package send the headers that it sends."""
    allowed = preflight(open_to_shop, SHOP, headers=OPENAI, path="/v1/images/generations")
    assert allowed.status_code == 200, allowed.text
    assert set(OPENAI.split(", ")) <= set(allowed.headers["Access-Control-Allow-Headers"].lower().split(", "))


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "http://shop.example.com",
        f"{SHOP}.evil.example",
        f"{SHOP}:8443",
        "null",
        SHOP.upper(),
    ],
)
def test_other_origins_may_not(open_to_shop, origin):
    """No preflight passes, and no answer names them as allowed; the call itself is like one without an origin."""
    refused = preflight(open_to_shop, origin)
    assert refused.status_code == 400
    assert "Access-Control-Allow-Origin" not in refused.headers
    answer = call_from(open_to_shop, origin, {"action": "models"})
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_allowed_origin_may_use_the_methods_of_the_api(open_to_shop):
    """A preflight for another method is refused, and OPTIONS that is no preflight is a 405."""
    for method, status in (("GET", 200), ("HEAD", 200), ("DELETE", 200), ("PUT", 400), ("PATCH", 400)):
        assert preflight(open_to_shop, SHOP, method=method).status_code == status
    assert error(httpx2.options(f"{open_to_shop.url}/api/v2")) == (405, "Method not allowed")
