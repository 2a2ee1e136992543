"""Forwarded addresses over HTTP: they count from trusted proxies alone, and of a chain the last one that is no proxy."""

import httpx2
import pytest
from servers.asgi import start_asgi

from imgen import settings
from imgen.asgi.endpoint import Endpoint, json_answer, remote_ip
from imgen.cli.api import trusted_proxies
from imgen.domain.errors import ConfigurationError

PEER = "127.0.0.1"
CHAIN = '["127.0.0.1", "10.0.0.0/8", "fd00:7::/64"]'


def loaded(folder, trusted):
    (folder / "imgen.toml").write_text(f"[http]\ntrusted_proxies = {trusted}\n")
    return settings.load(folder, environ={})


@pytest.fixture(scope="module", params=[CHAIN, '["192.0.2.9", "2001:db8::/32"]'], ids=["proxy", "stranger"])
def seen(request, tmp_path_factory):
    """A server that tells a request's address, behind a proxy or asked by a stranger; with whether it is the first."""

    async def tell(scope, _receive):
        return json_answer(remote_ip(scope))

    trusted = trusted_proxies(loaded(tmp_path_factory.mktemp("proxies"), request.param))
    with (
        start_asgi(lambda _url: Endpoint(tell), forwarded_allow_ips=trusted) as url,
        httpx2.Client(base_url=url, timeout=30) as client,
    ):

        def ask(*forwarded):
            return client.get("/", headers=[("X-Forwarded-For", one) for one in forwarded]).json()

        yield ask, request.param == CHAIN


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["203.0.113.5"], "203.0.113.5"),
        (["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        (["127.0.0.1, 203.0.113.5"], "203.0.113.5"),
        (["203.0.113.5, 10.1.2.3"], "203.0.113.5"),
        (["198.51.100.1", "203.0.113.5", "10.1.2.3"], "203.0.113.5"),
        (["198.51.100.1", "203.0.113.5, 10.1.2.3"], "203.0.113.5"),
        (["203.0.113.5:4711"], "203.0.113.5"),
        (["203.0.113.5:4711, 10.1.2.3:80"], "203.0.113.5"),
        (["2001:db8:5::1"], "2001:db8:5::1"),
        (["198.51.100.1, [2001:db8:5::1]:4711"], "2001:db8:5::1"),
        (["[2001:db8:5::1], fd00:7::2, 10.1.2.3"], "2001:db8:5::1"),
        (["[2001:db8:5::1]:80, [fd00:7::2]:443"], "2001:db8:5::1"),
        ([], PEER),
        ([""], PEER),
    ],
    ids=str,
)
def test_the_last_address_that_is_no_proxy_is_the_clients(seen, forwarded, client):
    """A client may write what it likes before it; a stranger's header changes nothing."""
    ask, is_proxy = seen
    assert ask(*forwarded) == (client if is_proxy else PEER)


def test_proxies_are_also_known_by_the_form_of_a_socket_of_both_versions(tmp_path):
    """A server that listens on `::` sees IPv4 peers as `::ffff:10.0.0.7`. Nothing configured leaves uvicorn's own default."""
    assert trusted_proxies(loaded(tmp_path, '["10.0.0.0/8"]')) == ["10.0.0.0/8", "::ffff:10.0.0.0/104"]
    assert trusted_proxies(loaded(tmp_path, "[]")) is None


@pytest.mark.parametrize("wrong", ["*", "proxy.example.com", "10.0.0.7/8"])
def test_everybody_is_no_proxy(tmp_path, wrong):
    """Names and `*` are refused: the first address of a header would be anybody's own choice."""
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        loaded(tmp_path, f'["{wrong}"]')
