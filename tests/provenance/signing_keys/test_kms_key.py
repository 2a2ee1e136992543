"""Keys in AWS KMS, asked by boto3 of a server that checks its requests' signatures."""

import threading
from concurrent.futures import ThreadPoolExecutor

import encypher_c2pa
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from factories import make_manifest
from manifest_readers import TRUSTED, verdict
from servers import kms as kms_server
from servers import time_stamp
from signing_chains import self_made

from imgen.domain import errors
from imgen.domain.circuit_breaker import CircuitBreaker
from imgen.provenance import credentials, encoding
from imgen.provenance.history import SOURCE, Action, Ingredient
from imgen.provenance.signer import open_signer
from imgen.provenance.signing_keys.opening import GuardedKey, KeyOptions, open_key

PICTURE = encoding.encode(np.zeros((64, 64, 3), np.uint8), "jpeg", quality=90)
MANIFEST = make_manifest()
KEY = ec.generate_private_key(ec.SECP256R1())
CHAIN, _ = self_made(KEY)


@pytest.fixture
def kms(monkeypatch):
    """A KMS, and the credentials for it in the environment."""
    for name, value in kms_server.ENVIRON.items():
        monkeypatch.setenv(name, value)
    with kms_server.running() as running:
        yield running


def opened(kms, uri, chain=CHAIN, limit_s=30, region=kms_server.REGION):
    return open_key(uri, chain, KeyOptions(kms_endpoint_url=kms.url, kms_region=region, limit_s=limit_s))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ec.generate_private_key(ec.SECP521R1()),
        lambda: rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate,
    ],
    ids=["es256", "es384", "es512", "ps256", "ed25519"],
)
def test_keys_of_all_kinds_sign(kms, make):
    """By their ARN, which says the region as well; two readers trust the picture."""
    key = make()
    chain, _ = self_made(key)
    signer = open_signer(chain, opened(kms, kms.add(key, "k"), chain, region=""), anchors=chain)
    signed = signer.sign(PICTURE, "image/jpeg", MANIFEST)
    assert credentials.read(signed.body, "image/jpeg", chain).state == "Trusted"
    root = chain[chain.index(b"-----END CERTIFICATE-----") + 26 :].decode()
    report = encypher_c2pa.verify(signed.body, "image/jpeg", trust_pem=root, no_default_trust=True, online=False)
    assert verdict(report) == TRUSTED
    thumbnail = signer.sign_thumbnail(PICTURE, "image/jpeg", MANIFEST, signed)
    assert credentials.read(thumbnail, "image/jpeg", chain).state == "Trusted"


def test_an_alias_is_a_key_as_well(kms):
    """With the region of the settings; two questions at opening, and one for a picture."""
    signer = open_signer(CHAIN, opened(kms, kms.add(KEY, "k", alias="imgen/signing")))
    assert {one["KeyId"] for one in kms.asked} == {"alias/imgen/signing"}
    before = len(kms.asked)
    signer.sign(PICTURE, "image/jpeg", MANIFEST)
    assert (before, len(kms.asked)) == (2, 3)


def test_credentials_of_a_source_are_tried_without_the_key(kms):
    """A trial is seen by nobody and would cost a question each."""
    signer = open_signer(CHAIN, opened(kms, kms.add(KEY, "k")))
    source = Ingredient(
        label=SOURCE, relationship="parentOf", title="source", file=signer.sign(PICTURE, "image/jpeg", MANIFEST).body
    )
    before = len(kms.asked)
    assert signer.carries(source)
    edited = make_manifest(
        actions=(Action(name="c2pa.opened", ingredient=SOURCE), MANIFEST.actions[-1]), ingredients=(source,)
    )
    signed = signer.sign(PICTURE, "image/jpeg", edited)
    assert len(kms.asked) == before + 1
    found = credentials.read(signed.body, "image/jpeg", CHAIN)
    assert found.state == "Trusted"
    assert found.manifest["ingredients"][0]["active_manifest"]


def test_threads_sign_side_by_side(kms):
    """KMS answers none of four before all have asked: taking turns would fail."""
    signer = open_signer(CHAIN, opened(kms, kms.add(KEY, "k")))
    kms.together = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        bodies = list(pool.map(lambda _: signer.sign(PICTURE, "image/jpeg", MANIFEST).body, range(4)))
    assert {credentials.read(body, "image/jpeg", CHAIN).state for body in bodies} == {"Trusted"}


def test_a_picture_gets_a_time_stamp(kms):
    """The authority stamps a signature of KMS."""
    with time_stamp.running() as authority:
        signer = open_signer(CHAIN, opened(kms, kms.add(KEY, "k")), tsa_url=authority.url, tsa_timeout_s=30)
        signed = signer.sign(PICTURE, "image/jpeg", MANIFEST)
    assert signed.is_time_stamped
    assert credentials.read(signed.body, "image/jpeg", CHAIN).time_stamp


def test_an_outage_of_kms_is_none_of_the_authority(kms):
    """The error is the key's, the authority is not asked, and no picture goes out without a signature."""
    with time_stamp.running() as authority:
        signer = open_signer(
            CHAIN, opened(kms, kms.add(KEY, "k")), tsa_url=authority.url, tsa_timeout_s=30, without_timestamp="sign"
        )
        kms.habits = ["ExpiredTokenException"]
        for _ in range(2):
            with pytest.raises(errors.SigningKeyUnavailable, match="ExpiredTokenException"):
                signer.sign(PICTURE, "image/jpeg", MANIFEST)
        assert authority.asked == 0
        kms.habits = ["answer"]
        assert signer.sign(PICTURE, "image/jpeg", MANIFEST).is_time_stamped


@pytest.mark.parametrize("habit", ["KMSInternalException", "ThrottlingException", "break"])
def test_a_passing_fault_is_tried_again(kms, habit):
    """Once by the library itself, so that no job has to wait for it."""
    kms.habits = [habit, "answer"]
    assert len(opened(kms, kms.add(KEY, "k")).sign(b"data")) == 64
    assert len(kms.asked) == 2


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "DisabledException", "KMSInvalidStateException", "UnrecognizedClientException"]
)
def test_what_only_the_operator_can_mend_is_configuration(kms, code):
    """It is told at once by its code, and no secret is in it."""
    kms.habits = [code]
    with pytest.raises(errors.ConfigurationError, match=code) as caught:
        open_signer(CHAIN, opened(kms, kms.add(KEY, "k")))
    assert kms_server.SECRET not in str(caught.value)
    assert len(kms.asked) == 1


def test_keys_that_are_not_the_certificates_are_refused(kms):
    """One that is not there, another pair's, and one on another curve."""
    other = kms.add(ec.generate_private_key(ec.SECP256R1()), "other")
    larger = kms.add(ec.generate_private_key(ec.SECP384R1()), "larger")
    for uri, words in (
        ("awskms:///alias/nobody", "NotFoundException"),
        (other, "another than the certificate's"),
        (larger, "InvalidKeyUsageException"),
    ):
        with pytest.raises(errors.ConfigurationError, match=words):
            open_signer(CHAIN, opened(kms, uri))


def test_a_wrong_secret_is_refused_by_the_server(kms, monkeypatch):
    """So the server does check signatures."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with pytest.raises(errors.ConfigurationError, match="InvalidSignatureException") as caught:
        open_signer(CHAIN, opened(kms, kms.add(KEY, "k")))
    assert "hunter2" not in str(caught.value)


def test_a_kms_that_never_answers_costs_its_limit(kms):
    """The job waits."""
    key = opened(kms, kms.add(KEY, "k"), limit_s=0.3)
    kms.gate.clear()
    with pytest.raises(errors.SigningKeyUnavailable, match="ReadTimeoutError"):
        key.sign(b"data")
    kms.gate.set()


def test_no_credentials_are_an_outage(kms, monkeypatch):
    """The role of a machine may be late."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(errors.SigningKeyUnavailable, match="NoCredentialsError"):
        opened(kms, kms.add(KEY, "k")).sign(b"data")


def test_a_key_that_fails_is_left_alone_for_a_while(kms):
    """After the failure it is not asked until the pause has passed."""
    kms.habits, now = ["ExpiredTokenException"], [0.0]
    breaker = CircuitBreaker(failures=1, pause_s=20, clock=lambda: now[0])
    key = GuardedKey(opened(kms, kms.add(KEY, "k")), breaker=breaker)
    for words in ("ExpiredTokenException", "left alone", "left alone"):
        with pytest.raises(errors.SigningKeyUnavailable, match=words):
            key.sign(b"data")
    assert len(kms.asked) == 1
    kms.habits, now[0] = ["answer"], 21
    assert key.sign(b"data")


@pytest.mark.parametrize("uri", ["awskms:///", "awskms:alias/k", "awskms://kms.example/alias/k"])
def test_a_reference_that_is_none_is_refused(kms, uri):
    """The message shows the forms that there are."""
    with pytest.raises(errors.ConfigurationError, match="awskms:///alias/NAME"):
        opened(kms, uri)


def test_a_region_is_needed(kms):
    """Neither the alias nor the settings nor AWS's own configuration has one."""
    with pytest.raises(errors.ConfigurationError, match="region"):
        opened(kms, "awskms:///alias/k", region="")
