"""PKCS#11 URIs: attributes, their encoding, and those that are refused."""

import pytest

from imgen.domain.errors import ConfigurationError
from imgen.provenance.signing_keys import way_of
from imgen.provenance.signing_keys.pkcs11_uri import Pkcs11Uri, parse_pkcs11_uri

MODULE = "module-path=/usr/lib/hsm.so"


def test_attributes_are_decoded():
    """Labels are UTF-8, ids bytes, and the URI's parts come in any order."""
    uri = f"pkcs11:object=sign%C3%A9;token=a%20b;id=%01%ff;type=private;slot-id=7;serial=9?pin-source=file:/run/pin&{MODULE}"
    assert parse_pkcs11_uri(uri) == Pkcs11Uri(
        module_path="/usr/lib/hsm.so", token="a b", serial="9", slot_id=7, object="signé", id=b"\x01\xff", pin_source="/run/pin"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (f"pkcs11:object=k?{MODULE}", "names no token"),
        (f"pkcs11:token=t?{MODULE}", "names no key"),
        ("pkcs11:token=t;object=k", "names no module"),
        ("pkcs11:token=t;object=k?module-path=hsm.so", "names no module"),
        (f"pkcs11:token=t;object=k?{MODULE}&pin-value=hunter2", "no PIN belongs"),
        (f"pkcs11:token=t;object=k;pin-value=hunter2?{MODULE}", "no PIN belongs"),
        (f"pkcs11:token=t;token=u;object=k?{MODULE}", "token twice"),
        (f"pkcs11:token=t;object=k;color=hunter2?{MODULE}", "not one of id, manufacturer"),
        (f"pkcs11:token=t;object?{MODULE}", "not one of"),
        (f"pkcs11:token=t;object=k;type=cert?{MODULE}", "type is not private"),
        (f"pkcs11:slot-id=-1;object=k?{MODULE}", "slot-id is no number"),
    ],
)
def test_a_uri_that_leaves_something_open_is_refused(uri, words):
    """The message names the attribute and repeats no value, which may be a PIN."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse_pkcs11_uri(uri)
    assert "hunter2" not in str(caught.value)


def test_the_scheme_says_the_way_to_a_key():
    """A path is a file's, also one with a colon in it."""
    ways = {
        "pkcs11:token=t": "PKCS#11",
        "awskms:///alias/a": "AWS KMS",
        "/etc/pkcs11:key.pem": "",
        "key.pem": "",
        "": "",
    }
    assert {reference: way_of(reference) for reference in ways} == ways
