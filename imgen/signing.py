"""Signer as the settings have it: of PEM files, of a key in an HSM or KMS, or of the development chain. Makes no files."""

from pathlib import Path

from imgen.domain.errors import ConfigurationError
from imgen.provenance.signer import Signer, open_signer
from imgen.provenance.signing_keys import SigningKey, way_of
from imgen.provenance.signing_keys.opening import KeyOptions, open_key
from imgen.settings import Settings


def open_configured(settings: Settings, *, anchors: bytes = b"", asks_authority: bool = True) -> Signer:
    """Opens the signer, and tries it.

    Args:
        settings: the chain and its key, the time-stamp authority.
        anchors: as for `open_signer`.
        asks_authority: whether its signatures get time-stamps.

    Raises:
        ConfigurationError, SigningKeyUnavailable: as for `open_signer`.
    """
    configured = settings.credentials
    chain, key = _read_files(settings)
    # A key elsewhere signs in the same call in which the authority is asked
    key_s = 0.0 if isinstance(key, bytes) else configured.key_timeout_s
    return open_signer(
        chain,
        key,
        anchors=anchors,
        tsa_url=(asks_authority and configured.tsa_url) or None,
        tsa_timeout_s=configured.tsa_timeout_s + key_s,
        without_timestamp=configured.without_timestamp,
    )


def _read_files(settings: Settings) -> tuple[bytes, bytes | SigningKey]:
    """Returns the chain in PEM, and its key: in PEM as well, or opened where it signs elsewhere.

    Raises:
        ConfigurationError: only one of them is configured, a file cannot be read, or a reference is wrong.
    """
    configured = settings.credentials
    if bool(configured.certificate_chain) != bool(configured.private_key):
        missing = "private_key" if configured.certificate_chain else "certificate_chain"
        raise ConfigurationError(f"[credentials] {missing} is not set, and the other is nothing without it")
    chain = _read(settings.signing_chain)
    if not way_of(configured.private_key):
        return chain, _read(settings.signing_key)
    options = KeyOptions(
        pin=configured.key_pin.get_secret_value(),
        limit_s=configured.key_timeout_s,
        kms_region=configured.kms.region,
        kms_endpoint_url=configured.kms.endpoint_url,
    )
    return chain, open_key(configured.private_key, chain, options)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ConfigurationError(f"{path}: {exc.strerror}") from exc
