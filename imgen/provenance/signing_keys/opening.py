"""Opening of a signing key by its reference in `private_key`: a URI's scheme says which way. Asks no key."""

from collections.abc import Callable

from msgspec import Struct

from imgen.domain import errors
from imgen.domain.circuit_breaker import CircuitBreaker
from imgen.provenance.signing_keys import SigningKey
from imgen.provenance.signing_keys.algorithm import Algorithm, algorithm_of, leaf_key

LIMIT_S = 5.0


class KeyOptions(Struct, frozen=True, kw_only=True):
    """Settings of keys elsewhere."""

    pin: str = ""
    limit_s: float = LIMIT_S
    kms_region: str = ""
    kms_endpoint_url: str = ""

    def __repr__(self) -> str:
        """Hides the PIN from logs and tracebacks."""
        return f"KeyOptions(limit_s={self.limit_s:g})"


class GuardedKey:
    """Key behind a circuit breaker: one that fails several times in a row is left alone for a while."""

    def __init__(self, key: SigningKey, *, breaker: CircuitBreaker | None = None) -> None:
        self._key = key
        self._breaker = breaker or CircuitBreaker()

    def sign(self, data: bytes) -> bytes:
        """Signs; see `SigningKey`."""
        if not self._breaker.allows():
            raise errors.SigningKeyUnavailable(
                "The signing key failed several times in a row and is left alone for a while"
            )
        try:
            signature = self._key.sign(data)
        except errors.SigningKeyUnavailable:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return signature


def _open_pkcs11(uri: str, algorithm: Algorithm, options: KeyOptions) -> SigningKey:
    from imgen.provenance.signing_keys.pkcs11_uri import parse_pkcs11_uri, read_pin

    parsed = parse_pkcs11_uri(uri)
    try:
        from imgen.provenance.signing_keys.pkcs11_key import Pkcs11Key
    except ModuleNotFoundError as exc:
        raise errors.ConfigurationError(
            "private_key: keys in an HSM need python-pkcs11: pip install 'imgen[hsm]'"
        ) from exc
    return Pkcs11Key(parsed, read_pin(parsed, options.pin), algorithm, limit_s=options.limit_s)


def _open_kms(uri: str, algorithm: Algorithm, options: KeyOptions) -> SigningKey:
    from imgen.provenance.signing_keys.kms_key import KmsKey  # boto3 takes 0.4 s and 25 MB

    return KmsKey(
        uri,
        algorithm,
        region=options.kms_region,
        endpoint_url=options.kms_endpoint_url,
        limit_s=options.limit_s,
    )


OPENERS: dict[str, Callable[[str, Algorithm, KeyOptions], SigningKey]] = {"pkcs11": _open_pkcs11, "awskms": _open_kms}
"""Scheme of a URI → opener; the schemes of `SCHEMES`."""


def open_key(reference: str, certificate_chain: bytes, options: KeyOptions) -> SigningKey:
    """Opens the key that a URI names, for the algorithm of the chain's first certificate.

    Raises:
        errors.ConfigurationError: the URI or the chain is wrong, or a dependency is missing.
    """
    opener = OPENERS[reference.partition(":")[0]]
    return GuardedKey(opener(reference, algorithm_of(leaf_key(certificate_chain)), options))
