"""Our pre-signer against botocore's: the same bytes for the same moment."""

import time
from calendar import timegm
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from imgen.objects.s3 import S3Store
from imgen.objects.s3_client import S3Options
from imgen.objects.sigv4 import Signer, host_header, presign_get

ACCESS_KEY_ID, SECRET = "AKIDEXAMPLE/+=:x", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def botocore_client(*, region: str = "eu-central-1", endpoint_url: str = "", addressing: str = "path"):
    return boto3.session.Session(ACCESS_KEY_ID, SECRET, region_name=region).client(
        "s3",
        endpoint_url=endpoint_url or None,
        config=Config(signature_version="s3v4", s3={"addressing_style": addressing}),
    )


def signed_at(url: str) -> int:
    """The Unix second in an address's X-Amz-Date."""
    return timegm(time.strptime(parse_qs(urlsplit(url).query)["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ"))


CLIENT = botocore_client(endpoint_url="https://s3.example.com:9000")
SIGNER = Signer(
    origin="https://s3.example.com:9000",
    path="/imgen/",
    host="s3.example.com:9000",
    region="eu-central-1",
    access_key_id=ACCESS_KEY_ID,
    secret_access_key=SECRET,
)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
# Keys that begin with `/` or hold `//` or dot parts are no keys of ours, and HTTP clients rewrite them.
KEY = st.lists(TEXT.map(lambda text: text.replace("/", "_")).filter(lambda text: text not in (".", "..")), min_size=1)


@settings(max_examples=200, deadline=None)
@given(
    words=KEY,
    expires_s=st.integers(1, 604_800),
    disposition=st.none() | TEXT,
    content_type=st.none() | TEXT,
)
def test_equals_botocore_for_any_key_and_parameters(words, expires_s, disposition, content_type):
    """Every key, lifetime and response header gives botocore's address to the byte."""
    key = "/".join(words)
    asked = {"ResponseContentDisposition": disposition, "ResponseContentType": content_type}
    params = {name: value for name, value in asked.items() if value is not None}
    theirs = CLIENT.generate_presigned_url(
        "get_object", Params={"Bucket": "imgen", "Key": key, **params}, ExpiresIn=expires_s
    )
    names = {
        "ResponseContentDisposition": "response-content-disposition",
        "ResponseContentType": "response-content-type",
    }
    query = {names[name]: value for name, value in params.items()}
    assert presign_get(SIGNER, key, at_unix=signed_at(theirs), expires_s=expires_s, query=query) == theirs


PLACES = [
    ("imgen", {"endpoint_url": "http://127.0.0.1:9000"}),
    ("with.dots", {"endpoint_url": "http://127.0.0.1:9000", "addressing": "auto"}),
    ("imgen", {"endpoint_url": "http://[::1]:9000"}),
    ("imgen", {"endpoint_url": "https://s3.example.com", "addressing": "virtual"}),
    ("with.dots", {"endpoint_url": "https://s3.example.com", "addressing": "virtual"}),
    ("imgen", {"endpoint_url": "https://s3.example.com:443", "addressing": "virtual"}),
    ("imgen", {"endpoint_url": "http://s3.example.com:80/", "addressing": "auto"}),
    ("imgen", {"endpoint_url": "https://S3.Example.COM:8443", "addressing": "virtual"}),
    ("imgen", {"endpoint_url": "https://example.com/objects/s3"}),
    ("imgen", {"region": "us-east-1", "addressing": "auto"}),
    ("with.dots", {"region": "eu-central-1", "addressing": "auto"}),
    ("imgen", {"region": "eu-central-1", "addressing": "path"}),
    ("imgen", {"region": "cn-north-1", "addressing": "virtual"}),
]


@pytest.mark.parametrize(
    ("bucket", "place"), PLACES, ids=lambda value: value if isinstance(value, str) else "-".join(value.values())
)
def test_a_store_addresses_buckets_as_botocore_does(bucket, place):
    """Path, virtual-host and automatic addressing, ports, letter case and Amazon's own hosts all come out the same."""
    place = {"region": "eu-central-1", "addressing": "path", **place}
    theirs = botocore_client(**place).generate_presigned_url(
        "get_object",
        Params={"Bucket": bucket, "Key": "in/done/a.png", "ResponseContentDisposition": 'inline; filename="b.png"'},
        ExpiresIn=600,
    )
    options = S3Options(bucket=bucket, access_key_id=ACCESS_KEY_ID, secret_access_key=SECRET, prefix="in", **place)
    store = S3Store(options, clock=lambda: signed_at(theirs))
    assert store.url("done/a.png", expires_s=600, filename="b.png") == theirs


def test_addresses_are_for_the_public_endpoint():
    """URLs for clients are signed for the host they will call, not for the one that we call."""
    client = botocore_client(endpoint_url="https://pictures.example.com")
    theirs = client.generate_presigned_url("get_object", Params={"Bucket": "imgen", "Key": "a.png"}, ExpiresIn=60)
    options = S3Options(
        bucket="imgen",
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET,
        region="eu-central-1",
        endpoint_url="http://10.0.0.1:9000",
        public_endpoint_url="https://pictures.example.com",
        addressing="path",
    )
    assert S3Store(options, clock=lambda: signed_at(theirs)).url("a.png", expires_s=60) == theirs


def test_signs_amazons_published_example():
    """The address in the S3 API reference ("Authenticating Requests: Using Query Parameters") comes out to the byte."""
    signer = Signer(
        origin="https://examplebucket.s3.amazonaws.com",
        path="/",
        host="examplebucket.s3.amazonaws.com",
        region="us-east-1",
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    assert presign_get(signer, "test.txt", at_unix=timegm((2013, 5, 24, 0, 0, 0)), expires_s=86_400) == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
        "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_a_new_day_has_a_new_signing_key():
    """The kept signing key is one per day: around midnight, in any order, a moment always gives the same address."""
    midnight = 1_700_006_400
    urls = [presign_get(SIGNER, "a", at_unix=midnight + offset, expires_s=60) for offset in (-1, 0, -1, 0.9)]
    assert [url.split("X-Amz-Date=")[1][:16] for url in urls[:2]] == ["20231114T235959Z", "20231115T000000Z"]
    assert (urls[0], urls[1]) == (urls[2], urls[3])


def test_the_host_header_is_what_http_clients_send():
    """Lower case, without the scheme's own port, brackets around IPv6."""
    expected = {
        "https://S3.Example.com": "s3.example.com",
        "https://s3.example.com:443": "s3.example.com",
        "http://s3.example.com:80": "s3.example.com",
        "http://s3.example.com:443": "s3.example.com:443",
        "http://[::1]:9000": "[::1]:9000",
        "http://[::1]": "[::1]",
    }
    assert {origin: host_header(origin) for origin in expected} == expected


def test_the_secret_is_not_in_a_signers_text():
    """Logs and tracebacks print values: none prints the secret."""
    options = S3Options(bucket="b", access_key_id="k", secret_access_key=SECRET)
    assert SECRET not in repr(SIGNER) + repr(options)
