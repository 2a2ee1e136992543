"""Development certificate chain: made on first start, trusted by this installation alone."""

import datetime as dt
import fcntl
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS = 3650

_NO_USE = dict.fromkeys(
    (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    ),
    False,
)  # fmt: skip


def make_development_chain(folder: Path) -> None:
    """Writes `chain.pem` (leaf and root), `key.pem` (for its owner alone) and `anchor.pem` (the root) to a folder, once.

    An existing chain stays: pictures that it signed would not be trusted by another. Processes that start together agree on one.
    Files without their chain, as after a start that was broken off, are set aside, not overwritten.
    """
    if (folder / "chain.pem").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "chain.pem").exists():
            for name, body in make_chain().items():
                _set_aside(folder / name)
                _write(folder / name, body)


def _set_aside(path: Path) -> None:
    if path.exists():
        path.rename(path.with_name(f"{path.stem}-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S.%f}{path.suffix}"))


def _write(path: Path, body: bytes) -> None:
    """Writes a file aside and renames it, readable by its owner alone at every moment."""
    aside = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    if path.name != "key.pem":
        aside.chmod(0o644)
    aside.replace(path)


def make_chain() -> dict[str, bytes]:
    """Makes key and certificates in PEM, by file name; the chain is last, so that it stands only beside its key.

    An ES256 leaf as C2PA's certificate profile wants it: version 3, not a CA, key usage digitalSignature, extended key
    usage emailProtection (the library's trust configuration does not know documentSigning), key identifiers on both.
    """
    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, leaf_name = _name("Imgen development root"), _name("Imgen development signer")
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    root = (
        _certificate(root_name, root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**_NO_USE, "key_cert_sign": True, "crl_sign": True}), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _certificate(leaf_name, root_name, leaf_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{**_NO_USE, "digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificates = {"anchor.pem": root.public_bytes(pem), "chain.pem": leaf.public_bytes(pem) + root.public_bytes(pem)}
    return {"key.pem": key, **certificates}


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Imgen"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    """Starts a certificate valid from an hour ago, for machines whose clocks differ."""
    start = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
