"""Keys in an HSM: SoftHSM's, through PKCS#11, from the URI to pictures that two readers trust."""

import subprocess
import sys
import threading
import uuid
from types import SimpleNamespace

import encypher_c2pa
import numpy as np
import pytest
from factories import make_manifest
from manifest_readers import TRUSTED, verdict
from servers import softhsm, time_stamp
from signing_chains import self_made

from imgen.domain import errors
from imgen.provenance import credentials, encoding
from imgen.provenance.signer import open_signer
from imgen.provenance.signing_keys.module_thread import ModuleThread
from imgen.provenance.signing_keys.opening import KeyOptions, open_key

PICTURE = encoding.encode(np.zeros((64, 64, 3), np.uint8), "jpeg", quality=90)
THUMBNAIL = encoding.encode(np.zeros((16, 16, 3), np.uint8), "jpeg", quality=90)
MANIFEST = make_manifest()


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """A token of SoftHSM without keys."""
    with softhsm.running(tmp_path_factory.mktemp("hsm")) as made:
        yield made


@pytest.fixture
def made(token):
    """A P-256 key in the token: its URI, its chain, and the key opened."""
    label = uuid.uuid4().hex
    chain, _ = self_made(token.make_key("secp256r1", label))
    return SimpleNamespace(label=label, uri=token.uri(label), chain=chain, key=opened(token.uri(label), chain))


def opened(uri, chain, pin=softhsm.PIN, limit_s=20):
    return open_key(uri, chain, KeyOptions(pin=pin, limit_s=limit_s))


def assert_trusted(body, chain):
    """Both readers trust a file."""
    assert credentials.read(body, "image/jpeg", chain).state == "Trusted"
    root = chain[chain.index(b"-----END CERTIFICATE-----") + 26 :].decode()
    report = encypher_c2pa.verify(body, "image/jpeg", trust_pem=root, no_default_trust=True, online=False)
    assert verdict(report) == TRUSTED


@pytest.mark.parametrize("kind", [*softhsm.CURVES, "rsa", "ed25519"])
def test_keys_of_all_kinds_sign_picture_and_thumbnail(token, kind):
    """Another reader than the library that signed says so as well."""
    label = uuid.uuid4().hex
    chain, _ = self_made(token.make_key(kind, label))
    signer = open_signer(chain, opened(token.uri(label), chain), anchors=chain)
    signed = signer.sign(PICTURE, "image/jpeg", MANIFEST)
    assert_trusted(signed.body, chain)
    assert_trusted(signer.sign_thumbnail(THUMBNAIL, "image/jpeg", MANIFEST, signed), chain)


def test_a_picture_gets_a_time_stamp(made):
    """As with a key in a file."""
    with time_stamp.running() as authority:
        signed = open_signer(made.chain, made.key, tsa_url=authority.url, tsa_timeout_s=20).sign(
            PICTURE, "image/jpeg", MANIFEST
        )
    assert signed.is_time_stamped
    assert credentials.read(signed.body, "image/jpeg", made.chain).time_stamp


def test_a_lost_session_is_opened_anew(token, made):
    """A picture after the HSM has started again is signed as one before."""
    signer = open_signer(made.chain, made.key)
    token.lose_sessions()
    assert_trusted(signer.sign(PICTURE, "image/jpeg", MANIFEST).body, made.chain)


def test_a_token_that_is_away_may_come_back(token, made):
    """The job waits until then; the signer that was opened before goes on."""
    signer = open_signer(made.chain, made.key)
    with token.away():
        token.lose_sessions()
        with pytest.raises(errors.SigningKeyUnavailable, match="no token by the name"):
            signer.sign(PICTURE, "image/jpeg", MANIFEST)
    assert_trusted(signer.sign(PICTURE, "image/jpeg", MANIFEST).body, made.chain)


def test_a_wrong_pin_is_tried_once(token, made):
    """Most tokens lock themselves after a few; neither error holds a PIN."""
    wrong = "98765-wrong"
    with pytest.raises(errors.ConfigurationError, match="refuses the PIN") as first:
        open_signer(made.chain, opened(made.uri, made.chain, pin=wrong))
    with pytest.raises(errors.ConfigurationError, match="not asked again") as second:
        open_signer(made.chain, opened(made.uri, made.chain, pin=wrong))
    assert wrong not in f"{first.value} {second.value} {KeyOptions(pin=wrong)}"
    open_signer(made.chain, opened(made.uri, made.chain))


def test_the_pin_may_be_in_a_file(made, tmp_path):
    """The file goes before the setting; one that is empty or missing is told."""
    (tmp_path / "pin").write_text(softhsm.PIN + "\n")
    uri = f"{made.uri}&pin-source=file:{tmp_path}/pin"
    open_signer(made.chain, opened(uri, made.chain, pin="wrong again"))
    (tmp_path / "pin").write_text("\n")
    for file in ("pin", "none"):
        with pytest.raises(errors.ConfigurationError, match="is empty|cannot be read"):
            opened(f"{made.uri}&pin-source=file:{tmp_path}/{file}", made.chain)


def test_a_key_is_the_certificates_and_the_only_one_of_its_name(token, made):
    """Another pair's, one that is not there, one of another type, and two of one name are matters of configuration."""
    other, _ = self_made(token.make_key("secp256r1", uuid.uuid4().hex))
    rsa, _ = self_made(token.make_key("rsa", uuid.uuid4().hex))
    token.make_key("secp256r1", made.label, key_id=b"\x02")
    for uri, chain, words in (
        (token.uri(made.label, id="%01"), other, "another than the certificate's"),
        (token.uri("nobody"), made.chain, "no private key"),
        (token.uri(made.label), rsa, "no private key of the certificate's type"),
        (token.uri(made.label), made.chain, "several keys"),
        (token.uri(made.label).replace("libsofthsm2", "none"), made.chain, "no PKCS#11 module"),
    ):
        with pytest.raises(errors.ConfigurationError, match=words):
            open_signer(chain, opened(uri, chain))
    open_signer(made.chain, opened(token.uri(made.label, id="%01"), made.chain))


def test_a_file_that_is_no_module_is_unavailable(made, tmp_path):
    """Its name says that it could be one; loading it tells."""
    (tmp_path / "module.so").write_bytes(b"text")
    with pytest.raises(errors.SigningKeyUnavailable, match="cannot be opened"):
        open_signer(made.chain, opened(made.uri.replace(softhsm.MODULE, str(tmp_path / "module.so")), made.chain))


def test_a_child_process_signs_after_its_parent(made, tmp_path):
    """The module is initialized anew after a fork, and the parent's sessions stay its own."""
    (tmp_path / "chain.pem").write_bytes(made.chain)
    program = """
import os, sys, pathlib
from imgen.provenance.signing_keys.opening import KeyOptions, open_key
uri, pin, chain = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).read_bytes()
def work():
    return len(open_key(uri, chain, KeyOptions(pin=pin, limit_s=20)).sign(b"data"))
assert work() == 64
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        os._exit(0 if work() == 64 else 1)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert work() == 64
sys.exit(max(codes))
"""
    command = [sys.executable, "-W", "ignore", "-c", program, made.uri, softhsm.PIN, str(tmp_path / "chain.pem")]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0


def test_a_call_that_hangs_costs_its_limit_alone():
    """Those behind it are not made later, when nobody waits for them any more; then the module serves again."""
    thread, released, ran = ModuleThread(), threading.Event(), []
    with pytest.raises(errors.SigningKeyUnavailable, match="did not answer within"):
        thread.run(released.wait, 0.01)
    with pytest.raises(errors.SigningKeyUnavailable):
        thread.run(lambda: ran.append("late"), 0.01)
    released.set()
    assert thread.run(lambda: "back", 10) == "back"
    assert not ran
