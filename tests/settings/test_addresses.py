"""Base URL of an API that listens on every interface."""

import ipaddress
from urllib.parse import urlsplit

import pytest

from imgen import settings
from imgen.settings.addresses import base_url


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_every_interface_is_named_by_an_address(host):
    """A client can call no URL of host 0.0.0.0 or ::."""
    parts = urlsplit(base_url(host, 8000))
    assert not ipaddress.ip_address(parts.hostname).is_unspecified
    assert parts.port == 8000
    assert ipaddress.ip_address(parts.hostname).version == ipaddress.ip_address(host).version


def test_an_ipv6_address_is_in_brackets():
    """RFC 3986, section 3.2.2."""
    assert base_url("::1", 8000) == "http://[::1]:8000"
    assert base_url("localhost", 8000) == "http://localhost:8000"


def test_a_configured_url_is_used_as_it_is(tmp_path):
    """Behind a proxy the operator knows the name."""
    (tmp_path / "imgen.toml").write_text('[http]\nhost = "0.0.0.0"\npublic_url = "https://img.example/"\n')
    assert settings.load(tmp_path, environ={}).public_url == "https://img.example"
