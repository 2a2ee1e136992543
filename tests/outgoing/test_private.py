"""Private addresses in all spellings, as literals, behind names and after redirects: the canary hears nothing."""

import asyncio
import ipaddress

import pytest
from outgoing.spellings import LITERALS, NAMES, RESOLVED
from servers.canary import make_tls, start_canary
from servers.faulty_http import answer, start_faulty_http

from imgen.domain.errors import NoAnswer, UnsafeUrl
from imgen.outgoing.client import OutgoingClient
from imgen.outgoing.urls import parse_url

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@pytest.fixture(scope="module")
def canary():
    """The canary, without TLS: it hears the first byte of any connection."""
    with start_canary() as running:
        yield running


def post(url, resolve=None, **options):
    """One request."""

    async def main():
        given = {} if resolve is None else {"resolve": resolve}
        return await OutgoingClient(timeout_s=10, **given, **options).post(url, {}, b"{}")

    return asyncio.run(main())


def always(*addresses):
    """A resolver that gives these."""

    async def resolve(_host, _port):
        return addresses

    return resolve


def test_there_are_eighty():
    """The list is as long as it says."""
    assert len(set(LITERALS)) >= 80


@pytest.mark.parametrize("host", [*LITERALS, *NAMES])
def test_a_private_host_is_refused_as_it_is_written(canary, host):
    """No spelling passes the check of the URL, with https or http, and nothing is sent."""
    for scheme in ("https", "http"):
        with pytest.raises(UnsafeUrl):
            parse_url(f"{scheme}://{host}:{canary.port}/hook")
        with pytest.raises(UnsafeUrl):
            post(f"{scheme}://{host}:{canary.port}/hook")
    assert canary.heard == []


@pytest.mark.parametrize("address", RESOLVED)
def test_a_name_that_leads_to_a_private_address_is_refused(canary, address):
    """The address that would be connected to is checked, alone and among public ones."""
    for found in ([address], ["93.184.216.34", address], [address, "93.184.216.34"]):
        with pytest.raises(UnsafeUrl):
            post(f"https://hooks.example.com:{canary.port}/", always(*found))
    assert canary.heard == []


def test_a_name_that_changes_between_check_and_use_is_asked_once(canary):
    """Rebinding: each request asks the resolver once and connects to what it has checked, so that a later answer comes too late."""
    asked = []

    async def rebinding(host, _port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) % 2 else ["127.0.0.9"]

    closed = (ipaddress.ip_network("127.0.0.1/32"),)
    url = f"http://rebinding.example.com:{canary.port}/"
    assert post(url, rebinding, allow=closed).status == 204
    with pytest.raises(UnsafeUrl):
        post(url, rebinding, allow=closed)
    assert asked == ["rebinding.example.com"] * 2
    assert len(canary.heard) == 1
    canary.heard.clear()


def test_a_redirect_is_not_followed(canary):
    """3xx is the answer, wherever it leads."""
    for status in (301, 302, 303, 307, 308):
        behaviour = answer(status, headers={"Location": f"http://127.0.0.1:{canary.port}/"})
        with start_faulty_http(behaviour) as server:
            assert post(f"{server.url}/hook", allow=LOOPBACK).status == status
    assert canary.heard == []


def test_proxies_of_the_environment_are_not_used(canary, monkeypatch):
    """A request goes to its own address."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    with start_faulty_http(answer(204)) as server:
        assert post(server.url, allow=LOOPBACK).status == 204
    assert canary.heard == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example.com/", "file:///etc/passwd", "//hooks.example.com/", "hooks.example.com", "", "https://",
        "https:///path", "https://user@hooks.example.com/", "https://user:word@hooks.example.com/",
        "https://hooks.example.com@127.0.0.1/", "https://hooks.example.com:22/", "https://hooks.example.com:25/",
        "https://hooks.example.com:0/", "https://hooks.example.com:99999/", "https://hooks.example.com:x/",
        "https://hooks.example.com\\@127.0.0.1/", "https://hooks.example.com/a b", "https://hooks.example.com/\r\nX: y",
        "https://hooks.example.com\t/", "https://hooks%2eexample.com/", "https://[::1/", "https://[v1.a]/",
        "https://1.2.3.4.5/", "https://256.1.1.1/", "https://0x1g.1/", "https://-a.example.com/", "https://a..example.com/",
        f"https://{'a' * 64}.example.com/", f"https://hooks.example.com/{'a' * 2000}",
        f"https://hooks.example.com/{'é' * 400}", "https://xn--a.example.com:443:80/",
        "https://hooks.example.com, https://other.example.com/",
    ],
)  # fmt: skip
def test_a_url_of_another_form_is_refused(url):
    """Schemes, credentials, ports of other services, and whatever two parsers might understand in two ways."""
    with pytest.raises(UnsafeUrl):
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://hooks.example.com", "https://hooks.example.com", "/"),
        ("HTTPS://Hooks.Example.com:8443/a?b=c#d", "https://hooks.example.com:8443", "/a?b=c"),
        ("https://bücher.example/ü?q=ä", "https://xn--bcher-kva.example", "/%C3%BC?q=%C3%A4"),
        ("https://93.184.216.34/", "https://93.184.216.34", "/"),
        ("https://[2606:2800:220:1:248:1893:25c8:1946]:443/", "https://[2606:2800:220:1:248:1893:25c8:1946]", "/"),
        ("https://[64:ff9b::5db8:d822]/", "https://[64:ff9b::5db8:d822]", "/"),
        ("https://a_b.example.com/%2F%20", "https://a_b.example.com", "/%2F%20"),
    ],
)
def test_a_public_url_is_taken(url, origin, target):
    """Names of any script, public addresses, ports of one's own; the text that is kept is taken again for each request."""
    parsed = parse_url(url)
    assert parse_url(parsed.text) == parsed
    assert (parsed.origin, parsed.target) == (origin, target)


def test_an_opened_network_is_reached_by_http(canary):
    """`allow` opens what it names and nothing else; http leads there alone."""
    reached = post(f"http://localhost:{canary.port}/hook?a=b", always("127.0.0.1"), allow=LOOPBACK)
    assert reached.status == 204
    assert canary.heard[0].startswith(b"POST /hook?a=b HTTP/1.1\r\nHost: localhost:")
    canary.heard.clear()
    with pytest.raises(UnsafeUrl):
        post(f"http://hooks.example.com:{canary.port}/", always("10.0.0.1"), allow=LOOPBACK)
    with pytest.raises(UnsafeUrl):
        post("http://hooks.example.com/", always("93.184.216.34"), allow=LOOPBACK)
    assert canary.heard == []


def test_tls_and_host_keep_the_name():
    """The certificate is checked against the name of the URL, although an address is connected to."""
    server, trust = make_tls("hooks.example.com")
    with start_canary(server) as secure:
        url, here = f"https://hooks.example.com:{secure.port}/", always("127.0.0.1")
        assert post(url, here, allow=LOOPBACK, tls=trust).status == 204
        assert secure.names == ["hooks.example.com"]
        assert f"Host: hooks.example.com:{secure.port}".encode() in secure.heard[0]
        with pytest.raises(NoAnswer, match="TLS: .*match"):
            post(url.replace("hooks", "other"), here, allow=LOOPBACK, tls=trust)
        with pytest.raises(NoAnswer, match="TLS: self"):
            post(url, here, allow=LOOPBACK)
