"""C2PA signer: what it adds to a file, who may share it, and certificates that are unfit."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from factories import make_manifest
from signing_chains import self_made

from imgen.domain import errors
from imgen.provenance import credentials, encoding
from imgen.provenance.signer import open_signer

MANIFEST = make_manifest()


@pytest.mark.parametrize(("file_format", "mime"), encoding.MIME.items())
def test_signing_adds_little_and_changes_no_pixel(signer, small, file_format, mime):
    """No thumbnail hides in the manifest, and the picture is the same."""
    body = encoding.encode(small, file_format, quality=95)
    signed = signer.sign(body, mime, MANIFEST)
    assert len(signed.body) - len(body) < 6000
    assert np.array_equal(encoding.decode(signed.body), encoding.decode(body))


def test_threads_may_share_signer_and_reader(signer, chain, small):
    """Many threads sign and read at once, and each gets its own picture's credentials."""
    bodies = [encoding.encode(small[i:, i:], "jpeg", quality=90) for i in range(6)]

    def roundtrip(index):
        signed = signer.sign(bodies[index % 6], "image/jpeg", MANIFEST)
        found = credentials.read(signed.body, "image/jpeg", chain.anchor)
        return found.state == "Trusted" and found.manifest_id == signed.manifest_id

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(roundtrip, range(120)))


def test_development_chain_keeps_its_key_to_its_owner(chain):
    """The private key cannot be read by others, and the chain ends in the anchor."""
    assert stat.S_IMODE((chain.folder / "key.pem").stat().st_mode) == 0o600
    assert chain.chain.endswith(chain.anchor)


def pem_of(key, kind=serialization.PrivateFormat.PKCS8):
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def test_keys_of_other_kinds_and_wrappings_sign(small):
    """P-384 in OpenSSL's older wrapping and Ed25519 are accepted as they come."""
    for key, kind in (
        (ec.generate_private_key(ec.SECP384R1()), serialization.PrivateFormat.TraditionalOpenSSL),
        (ed25519.Ed25519PrivateKey.generate(), serialization.PrivateFormat.PKCS8),
    ):
        made, _ = self_made(key)
        signed = open_signer(made, pem_of(key, kind)).sign(
            encoding.encode(small, "jpeg", quality=90), "image/jpeg", MANIFEST
        )
        assert credentials.read(signed.body, "image/jpeg", made).state == "Trusted"


def bad_openings():
    ours = ec.generate_private_key(ec.SECP256R1())
    made, _ = self_made(ours)
    other = ec.generate_private_key(ec.SECP256R1())
    odd = ec.generate_private_key(ec.BrainpoolP256R1())
    return {
        "no certificate": (b"nothing", pem_of(ours), {}),
        "no key": (made, b"nothing", {}),
        "a key with a passphrase": (
            made,
            ours.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            ),
            {},
        ),
        "a key of another certificate": (made, pem_of(other), {}),
        "an expired certificate": (self_made(ours, days=-1)[0], pem_of(ours), {}),
        "a web server's certificate": (self_made(ours, usage=ExtendedKeyUsageOID.SERVER_AUTH)[0], pem_of(ours), {}),
        "a curve C2PA does not know": (self_made(odd)[0], pem_of(odd), {}),
        "strangers' anchors": (made, pem_of(ours), {"anchors": self_made(other)[0]}),
        "anchors that are none": (made, pem_of(ours), {"anchors": b"nothing"}),
        "a time-stamp authority that is no URL": (made, pem_of(ours), {"tsa_url": "time.example"}),
    }


@pytest.mark.parametrize("name", bad_openings())
def test_unfit_certificates_are_found_at_opening(name):
    """Whatever would spoil the first signature is told when the process starts, as a matter of configuration."""
    made, key, options = bad_openings()[name]
    with pytest.raises(errors.ConfigurationError):
        open_signer(made, key, **options)


def test_what_is_no_picture_cannot_be_signed(signer):
    """The job that made it fails for good instead of being tried again."""
    for body, mime in ((b"text", "image/jpeg"), (b"text", "text/plain")):
        with pytest.raises(errors.ModelError):
            signer.sign(body, mime, MANIFEST)


def test_signer_made_after_fork_signs(chain, small, tmp_path):
    """Child processes that open their own signer after a parent has used the library sign as usual."""
    (tmp_path / "picture.jpg").write_bytes(encoding.encode(small, "jpeg", quality=90))
    program = """
import os, sys, pathlib
from imgen.provenance import credentials, signer
from imgen.provenance.history import WATERMARKED, created
from imgen.provenance.manifest import Manifest
folder, picture = map(pathlib.Path, sys.argv[1:])
pem = {name: (folder / f"{name}.pem").read_bytes() for name in ("chain", "key", "anchor")}
actions = (created("m", "2026-01-01T00:00:00Z"), WATERMARKED)
manifest = Manifest(version="1", gen_id="g", actions=actions, watermark_id="", fingerprint="")
def work():
    opened = signer.open_signer(pem["chain"], pem["key"], anchors=pem["anchor"])
    signed = opened.sign(picture.read_bytes(), "image/jpeg", manifest)
    return credentials.read(signed.body, "image/jpeg", pem["anchor"]).state
assert work() == "Trusted"
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if work() == "Trusted" else 1)
    children.append(child)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""
    arguments = [sys.executable, "-c", program, str(chain.folder), str(tmp_path / "picture.jpg")]
    assert subprocess.run(arguments, timeout=60, check=False).returncode == 0
