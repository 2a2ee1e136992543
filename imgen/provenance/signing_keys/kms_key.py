"""Signing key in AWS KMS. Asks for signatures alone (`kms:Sign`), of digests where the algorithm has one.

boto3 finds its credentials as it always does: environment, shared files, the roles of containers and machines.
"""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, PartialCredentialsError, ProfileNotFound

from imgen.domain.errors import ConfigurationError, SigningKeyUnavailable
from imgen.provenance.signing_keys.algorithm import Algorithm

SCHEME = "awskms:"
MAX_ATTEMPTS = 3
MAX_RAW_BYTES = 4096
"""Bytes of a message that KMS takes whole, as Ed25519 needs it; claims of Imgen have less than 3,000."""
POOL_CONNECTIONS = 32

_SPECS = {
    "es256": "ECDSA_SHA_256",
    "es384": "ECDSA_SHA_384",
    "es512": "ECDSA_SHA_512",
    "ps256": "RSASSA_PSS_SHA_256",
    "ed25519": "ED25519_SHA_512",
}

_WRONG = frozenset(
    {
        "AccessDeniedException",
        "DisabledException",
        "IncompleteSignatureException",
        "InvalidArnException",
        "InvalidClientTokenId",
        "InvalidKeyUsageException",
        "InvalidSignatureException",
        "KMSInvalidStateException",
        "MissingAuthenticationTokenException",
        "NotFoundException",
        "OptInRequired",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
"""Codes of KMS that only the operator can mend; all others, such as throttling and expired credentials, may pass."""


class KmsKey:
    """Asymmetric key of KMS with the usage SIGN_VERIFY."""

    def __init__(
        self, uri: str, algorithm: Algorithm, *, region: str = "", endpoint_url: str = "", limit_s: float
    ) -> None:
        """Asks nothing yet.

        Args:
            uri: `awskms:///` and an ARN, `alias/NAME` or a key's id.
            algorithm: the certificate's.
            region: of the key; empty: that of the ARN, else AWS's own configuration.
            endpoint_url: of another server than AWS's.
            limit_s: time for three tries together, without the library's pauses between them.

        Raises:
            ConfigurationError: the URI or the region is missing or wrong.
        """
        if not uri.startswith("awskms:///") or not (key_id := uri.removeprefix("awskms:///")):
            raise ConfigurationError("private_key: a key of KMS is awskms:///ARN, awskms:///alias/NAME or awskms:///ID")
        self._key_id = key_id
        self._algorithm = algorithm
        parts = key_id.split(":")
        own = parts[3] if key_id.startswith("arn:") and len(parts) > 5 else ""  # noqa: PLR2004 - arn:aws:kms:REGION:ACCOUNT:key/ID
        config = Config(
            connect_timeout=limit_s / MAX_ATTEMPTS,
            read_timeout=limit_s / MAX_ATTEMPTS,
            retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
            max_pool_connections=POOL_CONNECTIONS,
            ignore_configured_endpoint_urls=True,  # AWS_ENDPOINT_URL of the environment is not for us
        )
        try:
            session = boto3.session.Session(region_name=own or region or None)
            self._client = session.client("kms", endpoint_url=endpoint_url or None, config=config)
        except (BotoCoreError, ValueError) as exc:
            raise ConfigurationError(f"KMS: {exc}") from exc

    def sign(self, data: bytes) -> bytes:
        """Signs, side by side with other threads; see `SigningKey`."""
        is_digest = self._algorithm.digest is not None
        if not is_digest and len(data) > MAX_RAW_BYTES:
            raise ConfigurationError(f"KMS signs at most {MAX_RAW_BYTES} bytes with Ed25519, and a claim has more")
        signature = self._ask(
            KeyId=self._key_id,
            Message=self._algorithm.hashed(data),
            MessageType="DIGEST" if is_digest else "RAW",
            SigningAlgorithm=_SPECS[self._algorithm.name],
        )
        if not self._algorithm.number_bytes:
            return signature
        try:
            return self._algorithm.from_der(signature)
        except ValueError as exc:
            raise ConfigurationError("The key in KMS is on another curve than the certificate's") from exc

    def _ask(self, **request: Any) -> bytes:
        try:
            signature: bytes = self._client.sign(**request)["Signature"]
        except ClientError as exc:
            code = exc.response.get("Error", {}).get("Code", "")
            if code in _WRONG:
                raise ConfigurationError(f"KMS does not sign: {code}") from exc
            raise SigningKeyUnavailable(f"KMS does not sign: {code or 'an error without a code'}") from exc
        except (PartialCredentialsError, ProfileNotFound) as exc:
            raise ConfigurationError(f"KMS: {exc}") from exc
        except (BotoCoreError, KeyError) as exc:
            raise SigningKeyUnavailable(f"KMS does not answer: {type(exc).__name__}") from exc
        return signature
