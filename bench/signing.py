"""Signing of a JPEG of 1344×768 with a key in PEM, in a token by PKCS#11, and in a KMS: time of each, and against PEM.

The token is SoftHSM's, in this process; the KMS is the tests' stand-in on 127.0.0.1. So the figures are those of the ways to a
key, without the time that an HSM or a network takes. Rounds of all keys alternate.
"""

import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.figure import Figure
from bench.finish import MARK, QUALITY, draw_picture
from imgen.provenance import encoding, fingerprint
from imgen.provenance.history import WATERMARKED, created
from imgen.provenance.manifest import Manifest
from imgen.provenance.signer import Signer, open_signer
from imgen.provenance.signing_keys.opening import KeyOptions, open_key
from tests.servers import kms
from tests.signing_chains import self_made

PEM, TOKEN, KMS = "PEM", "PKCS#11", "AWS KMS"
ROUNDS = 30
MOST_MS = 40.0
MOST_TIMES = {TOKEN: 2.0, KMS: 4.0}


def measure(*, rounds: int = ROUNDS) -> Iterator[Figure]:
    """Measures the median time of a picture's signature by each way to the key."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as parts:
        signers = {PEM: _pem(), KMS: _kms(parts)}
        if is_there := _has_softhsm():
            signers[TOKEN] = _token(parts, Path(folder))
        taken = _taken(signers, rounds)
    medians = {name: statistics.median(one for one, _ in times) for name, times in taken.items()}
    cpu = {name: f"CPU {statistics.median(one for _, one in times) * 1e3:.1f} ms" for name, times in taken.items()}
    yield Figure(what=f"signing, {PEM}", value=medians[PEM] * 1e3, unit="ms", at_most=MOST_MS, detail=cpu[PEM])
    if not is_there:
        yield Figure(what=f"signing, {TOKEN}", value=None, detail="SoftHSM and python-pkcs11 are not installed")
    for name, most in MOST_TIMES.items():
        if name in medians:
            yield Figure(
                what=f"signing, {name} / {PEM}",
                value=medians[name] / medians[PEM],
                at_most=most,
                detail=f"{medians[name] * 1e3:.1f} ms, {cpu[name]}",
            )


def _taken(signers: dict[str, Signer], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Signs a picture with each signer by turns; returns seconds and CPU seconds of each round but the first."""
    pixels = draw_picture()
    body = encoding.encode(pixels, "jpeg", quality=QUALITY)
    manifest = Manifest(
        version="0", gen_id="bench", actions=(created("bench", "2026-01-01T00:00:00Z"), WATERMARKED),
        watermark_id=MARK, fingerprint=fingerprint.fingerprint(pixels).hash,
    )  # fmt: skip
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in signers}
    for number in range(rounds + 1):
        for name, signer in signers.items():
            started, started_cpu = time.perf_counter(), time.process_time()
            signer.sign(body, "image/jpeg", manifest)
            if number:
                taken[name].append((time.perf_counter() - started, time.process_time() - started_cpu))
    return taken


def _pem() -> Signer:
    chain, key = self_made(ec.generate_private_key(ec.SECP256R1()))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return open_signer(chain, key.private_bytes(pem, form, serialization.NoEncryption()))


def _kms(parts: ExitStack) -> Signer:
    parts.enter_context(mock.patch.dict(os.environ, kms.ENVIRON))
    server = parts.enter_context(kms.running())
    chain, key = self_made(ec.generate_private_key(ec.SECP256R1()))
    return open_signer(chain, open_key(server.add(key, "bench"), chain, KeyOptions(kms_endpoint_url=server.url)))


def _token(parts: ExitStack, folder: Path) -> Signer:
    from tests.servers import softhsm

    token = parts.enter_context(softhsm.running(folder))
    chain, _ = self_made(token.make_key("secp256r1", "bench"))
    return open_signer(chain, open_key(token.uri("bench"), chain, KeyOptions(pin=softhsm.PIN)))


def _has_softhsm() -> bool:
    if importlib.util.find_spec("pkcs11") is None:
        return False
    from tests.servers import softhsm

    return bool(softhsm.MODULE)
