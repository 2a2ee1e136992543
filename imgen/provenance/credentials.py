"""C2PA Content Credentials: signs finished files, reads the credentials of any file. Fetches nothing, keeps no key on disk.

Every Reader and Builder here gets a Context of its own settings: by default the library fetches the manifest that a file's
XMP points to, and resolves identities over the network. Specifications: C2PA 2.4, CAWG Metadata 1.1.
Certificates for development are made in development_chain.py.
"""

import io
import json
import threading
import uuid
from typing import Any

import c2pa
import numpy as np
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from msgspec import Struct

from imgen.domain import errors
from imgen.provenance import encoding
from imgen.provenance.manifest import Manifest, definition

_SETTINGS: dict[str, Any] = {
    "builder": {"thumbnail": {"enabled": False}},  # it costs 30 ms and 84 KiB and shows what the file shows
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"decode_identity_assertions": False},  # did:web identities are looked up over HTTP
}

_ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


class Signed(Struct, frozen=True, kw_only=True):
    """Signed file and its manifest store, which gives the credentials back once a platform has stripped them."""

    body: bytes
    manifest_id: str
    manifest_store: bytes
    """JUMBF, `application/c2pa`."""


class Credentials(Struct, frozen=True, kw_only=True):
    """Validation result of a file's credentials."""

    state: str
    """`Trusted`: whole, by a signer we trust. `Valid`: whole. `Invalid`: changed or unreadable. `None`: none at all."""
    issuer: str | None = None
    manifest_id: str | None = None
    title: str | None = None
    manifest: dict[str, Any] = {}
    """The active manifest as c2pa reports it."""


class Signer:
    """Signer with one certificate. Made once in each process, after the fork: the library dislikes forks.

    Threads take turns.
    """

    def __init__(self, certificate_chain: bytes, key: bytes, algorithm: str, tsa_url: str | None) -> None:
        info = c2pa.C2paSignerInfo(algorithm, certificate_chain, key, tsa_url)
        self._context = c2pa.Context.from_dict(_SETTINGS, c2pa.Signer.from_info(info))
        self._turn = threading.Lock()
        self._asks_time = tsa_url is not None

    def sign(self, body: bytes, mime: str, manifest: Manifest) -> Signed:
        """Signs a JPEG, PNG, WebP or AVIF file and verifies the result.

        Raises:
            errors.Retryable: the time-stamp authority did not answer as it should.
            errors.ConfigurationError: the certificate is no longer valid.
            errors.ModelError: the file cannot carry credentials.
        """
        manifest_id = f"urn:c2pa:{uuid.uuid4()}"
        signed = io.BytesIO()
        try:
            with self._turn, c2pa.Builder(definition(manifest, manifest_id), self._context) as builder:
                store = builder.sign(mime, io.BytesIO(body), signed)
        except (c2pa.C2paError.Signature, c2pa.C2paError.Verify) as exc:
            # Key and certificates passed a trial when the signer was opened: only a clock can be wrong, theirs or ours
            if self._asks_time and isinstance(exc, c2pa.C2paError.Signature):
                raise errors.Retryable("The time-stamp authority did not answer") from exc
            raise errors.ConfigurationError(f"The signing certificate is no longer good: {exc}") from exc
        except c2pa.C2paError as exc:
            raise errors.ModelError("The file cannot carry credentials") from exc
        return Signed(body=signed.getvalue(), manifest_id=manifest_id, manifest_store=store)


def open_signer(
    certificate_chain: bytes, private_key: bytes, *, anchors: bytes = b"", tsa_url: str | None = None
) -> Signer:
    """Opens a signer and tries it on a picture of one pixel.

    Args:
        certificate_chain: PEM, leaf first; the root may be left out.
        private_key: PEM without passphrase; P-256, P-384, P-521, Ed25519 or RSA.
        anchors: PEM roots that pictures are checked against; the signer must lead to one of them. Empty: not checked.
        tsa_url: RFC 3161 time-stamp authority; None: pictures carry no proof of their time.

    Raises:
        errors.ConfigurationError: any of them is broken, expired, of the wrong kind, or does not fit the others.
    """
    if tsa_url is not None and not tsa_url.startswith(("http://", "https://")):
        raise errors.ConfigurationError(f"The address of the time-stamp authority is no URL: {tsa_url}")
    try:
        key = serialization.load_pem_private_key(private_key, password=None)
        x509.load_pem_x509_certificates(certificate_chain)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise errors.ConfigurationError(f"The signing key or certificate cannot be read: {exc}") from exc
    pkcs8 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    algorithm = _algorithm(key)
    blank = encoding.encode(np.zeros((1, 1, 3), np.uint8), "png", quality=100)
    manifest = Manifest(version="0", model="", gen_id="", created="", watermark_id="", fingerprint="")
    try:
        trial = Signer(certificate_chain, pkcs8, algorithm, None).sign(blank, "image/png", manifest)
        signer = Signer(certificate_chain, pkcs8, algorithm, tsa_url)
    except (c2pa.C2paError, errors.ModelError) as exc:
        raise errors.ConfigurationError(f"The signing certificate does not sign: {exc.__cause__ or exc}") from exc
    if anchors and read(trial.body, "image/png", anchors).state != "Trusted":
        raise errors.ConfigurationError("The signing certificate does not lead to a trusted root")
    return signer


def read(body: bytes, mime: str, anchors: bytes = b"") -> Credentials:
    """Reads and validates the credentials inside a file; a file that cannot be read has invalid ones.

    Args:
        body: the file, from anywhere.
        mime: its media type by its content.
        anchors: PEM roots to trust.

    Raises:
        errors.ConfigurationError: the anchors are no certificates.
    """
    settings = _SETTINGS | ({"trust": {"user_anchors": anchors.decode()}} if anchors else {})
    try:
        context = c2pa.Context.from_dict(settings)
    except c2pa.C2paError as exc:
        raise errors.ConfigurationError(f"The trust anchors cannot be read: {exc}") from exc
    try:
        with c2pa.Reader(mime, io.BytesIO(body), context=context) as reader:
            report = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return Credentials(state="None")
    except c2pa.C2paError as exc:
        # A manifest that lies elsewhere is not fetched, so it counts as none
        return Credentials(state="None" if str(exc).startswith("Remote") else "Invalid")
    manifest_id = report["active_manifest"]
    manifest = report["manifests"][manifest_id]
    return Credentials(
        state=report["validation_state"],
        issuer=manifest.get("signature_info", {}).get("issuer"),
        manifest_id=manifest_id,
        title=manifest.get("title"),
        manifest=manifest,
    )


def _algorithm(key: object) -> str:
    """Returns C2PA's name of the signature algorithm for a private key."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _ALGORITHMS:
        return _ALGORITHMS[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise errors.ConfigurationError("C2PA knows no signature algorithm for this kind of private key")
