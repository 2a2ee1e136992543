"""Checks of the signer: key and chain are tried by a signature, with the chain's last day; the time-stamp authority is asked."""

import datetime as dt
import time

import numpy as np

from imgen import __version__, composition, signing
from imgen.cli.doctor.finding import Fresh, Warned, shown_url
from imgen.provenance.certificate_end import ending
from imgen.provenance.encoding import encode
from imgen.provenance.history import WATERMARKED, created
from imgen.provenance.manifest import Manifest
from imgen.provenance.signing_keys import way_of
from imgen.settings import Settings


def signer(loaded: Settings) -> str:
    """Signs a picture of one pixel with the configured key and chain, or with the development chain."""
    configured = loaded.credentials
    if not loaded.signing_chain.exists() and not configured.certificate_chain and not configured.private_key:
        return Fresh("development chain: the first start makes it; trusted by nobody else")
    started = time.monotonic()
    opened = signing.open_configured(loaded, anchors=composition.trust_anchors(loaded), asks_authority=False)
    taken_s = time.monotonic() - started
    fit = "development chain, trusted by nobody else"
    if way := way_of(configured.private_key):
        fit = (
            f"{configured.certificate_chain} and the key by {way} fit (opened, two signatures: {taken_s * 1000:.0f} ms)"
        )
    elif configured.certificate_chain:
        fit = f"{loaded.signing_chain} and {loaded.signing_key} fit"
    text = f"{fit}; valid until {opened.ends_at:%Y-%m-%d}"
    told = ending(opened.ends_at, dt.datetime.now(dt.UTC))
    return Warned(f"{text}. {told}") if told else text


def time_stamps(loaded: Settings) -> str:
    """Asks the time-stamp authority for a time-stamp."""
    configured = loaded.credentials
    if not configured.tsa_url:
        return "none configured"
    if not loaded.signing_chain.exists():
        return Fresh(f"{shown_url(configured.tsa_url)} is asked once there is a chain")
    waiting = configured.model_copy(update={"without_timestamp": "wait"})  # so that an outage shows
    opened = signing.open_configured(loaded.model_copy(update={"credentials": waiting}))
    picture = encode(np.zeros((1, 1, 3), np.uint8), "png", quality=100)
    actions = (created("", ""), WATERMARKED)
    empty = Manifest(version=__version__, gen_id="", actions=actions, watermark_id="", fingerprint="")
    opened.sign(picture, "image/png", empty)
    return f"{shown_url(configured.tsa_url)} answers; without it pictures {_WITHOUT[configured.without_timestamp]}"


_WITHOUT = {"wait": "wait", "sign": "are signed all the same"}
