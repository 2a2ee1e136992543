"""Signing keys outside of this process: in an HSM (PKCS#11) or a KMS. Keys in PEM files need none of this.

A key is asked for signatures alone: its algorithm comes from the certificate, and the first signature proves that the two fit.
"""

from typing import Protocol


class SigningKey(Protocol):
    """Private key that signs elsewhere. Threads may share it; it does not cross a fork."""

    def sign(self, data: bytes) -> bytes:
        """Signs the bytes of a claim; returns the signature as COSE has it (RFC 9053): r and s side by side for ECDSA.

        Raises:
            errors.SigningKeyUnavailable: it did not answer in time; it may later.
            errors.ConfigurationError: it does not sign this: no such key, no right to it, a wrong PIN.
        """


SCHEMES = {"pkcs11": "PKCS#11", "awskms": "AWS KMS"}
"""Scheme of a key's URI → name of the way to it."""


def way_of(reference: str) -> str:
    """Returns the name of the way to a key; empty: the reference is a file's path."""
    scheme, has_scheme, _ = reference.partition(":")
    return SCHEMES.get(scheme, "") if has_scheme else ""
