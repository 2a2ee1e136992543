"""Signature algorithms of C2PA (2.4, section 13.2), by the public key of the certificate; forms of their signatures."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from imgen.domain import errors


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """Signature algorithm."""

    name: str
    """Name in C2PA and COSE, in small letters."""
    digest: type[hashes.HashAlgorithm] | None = None
    """Digest that is signed; None: the message itself is."""
    number_bytes: int = 0
    """Bytes of each of the two numbers of an ECDSA signature; 0: another algorithm."""

    def hashed(self, message: bytes) -> bytes:
        """Returns the digest of a message, or the message where the algorithm takes it whole."""
        if self.digest is None:
            return message
        made = hashes.Hash(self.digest())
        made.update(message)
        return made.finalize()

    def from_der(self, signature: bytes) -> bytes:
        """Returns an ECDSA signature as COSE has it; one in DER (RFC 3279) is what most others give.

        Raises:
            ValueError: it is not DER, or of another curve.
        """
        try:
            return b"".join(number.to_bytes(self.number_bytes, "big") for number in decode_dss_signature(signature))
        except OverflowError as exc:
            raise ValueError("a number of the signature is too large for the curve") from exc


_CURVES = {
    "secp256r1": Algorithm(name="es256", digest=hashes.SHA256, number_bytes=32),
    "secp384r1": Algorithm(name="es384", digest=hashes.SHA384, number_bytes=48),
    "secp521r1": Algorithm(name="es512", digest=hashes.SHA512, number_bytes=66),
}
PS256 = Algorithm(name="ps256", digest=hashes.SHA256)
ED25519 = Algorithm(name="ed25519")


def algorithm_of(public_key: object) -> Algorithm:
    """Returns the algorithm of a key.

    Raises:
        errors.ConfigurationError: C2PA has none for it.
    """
    if isinstance(public_key, ec.EllipticCurvePublicKey) and public_key.curve.name in _CURVES:
        return _CURVES[public_key.curve.name]
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return ED25519
    if isinstance(public_key, rsa.RSAPublicKey):
        return PS256
    raise errors.ConfigurationError("C2PA knows no signature algorithm for this kind of key")


def leaf_key(certificate_chain: bytes) -> object:
    """Returns the public key of the first certificate of a chain in PEM.

    Raises:
        errors.ConfigurationError: there is no certificate in it, or none with a key that can be read.
    """
    try:
        return x509.load_pem_x509_certificates(certificate_chain)[0].public_key()
    except ValueError as exc:
        raise errors.ConfigurationError(f"The signing certificate cannot be read: {exc}") from exc


def is_signature(signature: bytes, message: bytes, public_key: object) -> bool:
    """Returns whether a signature, as COSE has it, is a message's by the private half of a key."""
    algorithm = algorithm_of(public_key)
    try:
        if isinstance(public_key, ec.EllipticCurvePublicKey) and algorithm.digest is not None:
            half = algorithm.number_bytes
            if len(signature) != 2 * half:
                return False
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            public_key.verify(encode_dss_signature(r, s), message, ec.ECDSA(algorithm.digest()))
        elif isinstance(public_key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
            public_key.verify(signature, message, pss, hashes.SHA256())
        elif isinstance(public_key, ed25519.Ed25519PublicKey):
            public_key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
