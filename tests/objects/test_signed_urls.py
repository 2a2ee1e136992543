"""Pre-signed URLs of stores that our API serves: their form, and the holder's rights."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from imgen.domain.errors import ConfigurationError, Forbidden
from imgen.objects.signed_urls import UrlSigner

SECRET = b"s" * 32
NOW = 1_700_000_000.9


def signer(now=NOW, secret=SECRET):
    return UrlSigner(base_url="https://pictures.example/base/", secret=secret, clock=lambda: now)


def query(url):
    return dict(parse_qsl(urlsplit(url).query))


def test_a_url_holds_base_key_and_expiry():
    """The URL is `<base>/files/<key>?expires=<Unix seconds>&signature=<64 hex>`, with the name only where given."""
    start, values = signer().url("done/a.png", expires_s=60).split("?")
    assert start == "https://pictures.example/base/files/done/a.png"
    expires, signature = values.split("&")
    assert expires == "expires=1700000060"
    assert len(bytes.fromhex(signature.removeprefix("signature="))) == 32
    assert signer().url("done/a.png", expires_s=60, filename="b c.png").endswith("&filename=b%20c.png")


def test_the_clock_decides_to_the_second():
    """One second left grants the object under its name, none left is forbidden."""
    sent = query(signer().url("a/b.png", expires_s=60, filename="c.png"))
    assert signer(NOW + 59).check("a/b.png", sent) == ("c.png", 1)
    with pytest.raises(Forbidden):
        signer(NOW + 60).check("a/b.png", sent)


@pytest.mark.parametrize(
    "change", [{"filename": "d.png"}, {"expires": "1800000000"}, {"signature": ""}, {"signature": "é"}]
)
def test_a_changed_query_is_forbidden(change):
    """Name, expiry and signature hang together, and belong to one key and one secret."""
    sent = query(signer().url("a/b.png", expires_s=60, filename="c.png"))
    for checked, key, values in (
        (signer(), "a/b.png", sent | change),
        (signer(), "a/c.png", sent),
        (signer(secret=b"t" * 32), "a/b.png", sent),
    ):
        with pytest.raises(Forbidden):
            checked.check(key, values)


def test_a_short_secret_is_refused():
    """Fewer bytes than the hash gives would weaken the signature."""
    with pytest.raises(ConfigurationError, match="32 bytes"):
        signer(secret=SECRET[:-1])
