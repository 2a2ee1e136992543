"""Checks of the signer: key and chain are tried by a signature, with the chain's last day; the time-stamp authority is asked."""

import datetime as dt
from pathlib import Path

import numpy as np

from imgen import __version__, composition
from imgen.cli.doctor.finding import Fresh, Warned, shown_url
from imgen.domain.errors import ConfigurationError
from imgen.provenance.certificate_end import ending
from imgen.provenance.encoding import encode
from imgen.provenance.history import WATERMARKED, created
from imgen.provenance.manifest import Manifest
from imgen.provenance.signer import open_signer
from imgen.settings import Settings


def signer(loaded: Settings) -> str:
    """Signs a picture of one pixel with the configured key and chain, or with the development chain."""
    chain, key = _files(loaded)
    if not chain.exists() and not loaded.credentials.certificate_chain:
        return Fresh("development chain: the first start makes it; trusted by nobody else")
    ends_at = open_signer(_read(chain), _read(key), anchors=composition.trust_anchors(loaded)).ends_at
    fit = (
        f"{chain} and {key} fit"
        if loaded.credentials.certificate_chain
        else "development chain, trusted by nobody else"
    )
    text = f"{fit}; valid until {ends_at:%Y-%m-%d}"
    told = ending(ends_at, dt.datetime.now(dt.UTC))
    return Warned(f"{text}. {told}") if told else text


def time_stamps(loaded: Settings) -> str:
    """Asks the time-stamp authority for a time-stamp."""
    configured = loaded.credentials
    if not configured.tsa_url:
        return "none configured"
    chain, key = _files(loaded)
    if not chain.exists():
        return Fresh(f"{shown_url(configured.tsa_url)} is asked once there is a chain")
    opened = open_signer(
        _read(chain),
        _read(key),
        tsa_url=configured.tsa_url,
        tsa_timeout_s=configured.tsa_timeout_s,
        without_timestamp="wait",  # so that an outage shows
    )
    picture = encode(np.zeros((1, 1, 3), np.uint8), "png", quality=100)
    actions = (created("", ""), WATERMARKED)
    empty = Manifest(version=__version__, gen_id="", actions=actions, watermark_id="", fingerprint="")
    opened.sign(picture, "image/png", empty)
    return f"{shown_url(configured.tsa_url)} answers; without it pictures {_WITHOUT[configured.without_timestamp]}"


_WITHOUT = {"wait": "wait", "sign": "are signed all the same"}


def _files(loaded: Settings) -> tuple[Path, Path]:
    """Returns the files of chain and key.

    Raises:
        ConfigurationError: only one of them is configured.
    """
    chain, key = loaded.credentials.certificate_chain, loaded.credentials.private_key
    if bool(chain) != bool(key):
        missing = "private_key" if chain else "certificate_chain"
        raise ConfigurationError(f"[credentials] {missing} is not set, and the other is nothing without it")
    folder = loaded.data_dir / "credentials"
    return (Path(chain), Path(key)) if chain else (folder / "chain.pem", folder / "key.pem")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ConfigurationError(f"{path}: {exc.strerror}") from exc
