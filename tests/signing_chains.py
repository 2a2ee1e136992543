"""Signing chains: like the development's with an end that the test chooses, and of a key from anywhere."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from imgen.provenance.development_chain import make_development_chain


def make_chain(folder, days):
    """Writes a chain whose leaf ends after so many days, its key and its anchor, by the names of the development chain's files."""
    make_development_chain(folder)
    leaf, root = x509.load_pem_x509_certificates((folder / "chain.pem").read_bytes())
    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def again(like, key, ends_in):
        ids = [
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
        ]
        kept = [one for one in like.extensions if type(one.value) not in {type(each) for each in ids}]
        now = dt.datetime.now(dt.UTC)
        made = x509.CertificateBuilder(
            like.issuer,
            like.subject,
            key.public_key(),
            x509.random_serial_number(),
            now - dt.timedelta(400),
            now + ends_in,
            kept,
        )
        for value in ids:
            made = made.add_extension(value, critical=False)
        return made.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    chain = again(leaf, leaf_key, dt.timedelta(days)), again(root, root_key, dt.timedelta(400))
    (folder / "chain.pem").write_bytes(b"".join(chain))
    (folder / "anchor.pem").write_bytes(chain[1])
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(leaf_key.private_bytes(pem, form, serialization.NoEncryption()))


def self_made(key, *, days=30, usage=ExtendedKeyUsageOID.EMAIL_PROTECTION):
    """Makes a leaf for a key under a root of its own; returns the chain in PEM, and the key. Of the key only `public_key` is used."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC) - dt.timedelta(days=60)
    unused = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )

    def certificate(subject, issuer, public_key, ca):
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, issuer)]))
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + dt.timedelta(days=60 + days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **unused), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        )

    root = certificate("Root", "Root", root_key.public_key(), ca=True).sign(root_key, hashes.SHA256())
    leaf = (
        certificate("Leaf", "Root", key.public_key(), ca=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return leaf.public_bytes(pem) + root.public_bytes(pem), key
