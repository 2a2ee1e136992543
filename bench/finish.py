"""Finish chain against the same steps with each library's defaults. Proves nothing about the pictures.

Watermark, PDQ, encode, decode the watermark, thumbnail, sign: both start from the same pixels (1344×768) and end with two
signed files, on one core. Rounds of ours and stock alternate, so that a slow moment of the machine hits both; the figures
are medians.

Then JPEG, with the mark as it is embedded, against the ordinary mark of every picture without the trial of whether it lasts and
without the stronger variant: of a photograph's like, a drawing and a grey picture, by CPU time.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.figure import Figure

ROUNDS = 5
QUALITY = 95
MARK = "0123456789ab"
LEAST_TIMES = {"jpeg": 8.0, "png": 2.0, "webp": 2.0, "avif": 2.0}
MOST_TRIAL = 1.10
"""Greatest ratio of the finish chain's time with the trial to its time without."""
TRIAL_ROUNDS = 3
"""Rounds of the trial's chains for each of the others: the differences are small, and so are the times."""

Chain = Callable[[NDArray[np.uint8], str, str], None]
Embed = Callable[[NDArray[np.uint8], str], NDArray[np.uint8]]


def measure(*, rounds: int = ROUNDS) -> list[Figure]:
    """Measures the ratio of stock to ours for each format, and that of ours to ours without the trial for each kind."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "bench.finish", str(rounds)]
    done = subprocess.run(command, env=os.environ | one_thread, stdout=subprocess.PIPE, check=True)
    formats, kinds = json.loads(done.stdout)
    against_stock = [
        Figure(
            what=f"finish {name}, stock / ours",
            value=stock / ours,
            at_least=LEAST_TIMES[name],
            detail=f"{ours * 1000:.0f} ms, stock {stock * 1000:.0f} ms",
        )
        for name, (ours, stock) in formats.items()
    ]
    against_ordinary = [
        Figure(
            what=f"finish {name}, mark with its trial / without",
            value=tried / ordinary,
            at_most=MOST_TRIAL,
            detail=f"{tried * 1000:.0f} ms of CPU, without {ordinary * 1000:.0f} ms",
        )
        for name, (tried, ordinary) in kinds.items()
    ]
    return [*against_stock, *against_ordinary]


def _child(rounds: int) -> None:
    """Measures in this process, pinned to one core, and prints JSON: [format → seconds of ours and of stock, kind → likewise]."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from bench.durable.pictures import drawing
    from imgen.provenance import watermark
    from imgen.provenance.encoding import MIME

    pixels = draw_picture()
    grey = np.repeat(pixels[..., 1:2], 3, axis=2)
    with tempfile.TemporaryDirectory() as folder:
        ours, stock, ordinary = (
            _ours(Path(folder), watermark.embed),
            _stock(Path(folder)),
            _ours(Path(folder), _ordinary),
        )
        formats = {
            name: _alternate((ours, stock), (pixels, name, mime), rounds, time.perf_counter)
            for name, mime in MIME.items()
        }
        kinds = {
            kind: _alternate((ours, ordinary), (drawn, "jpeg", MIME["jpeg"]), TRIAL_ROUNDS * rounds, time.process_time)
            for kind, drawn in {"photo-like": pixels, "drawing": drawing(1).pixels, "grey": grey}.items()
        }
    print(json.dumps([formats, kinds]))


def _alternate(
    chains: tuple[Chain, Chain], arguments: tuple[NDArray[np.uint8], str, str], rounds: int, clock: Callable[[], float]
) -> list[float]:
    """Runs two chains in turn; returns the median of each one's seconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for chain, taken in zip(chains, times, strict=True):
            start = clock()
            chain(*arguments)
            taken.append(clock() - start)
    return [statistics.median(taken) for taken in times]


def _ordinary(pixels: NDArray[np.uint8], watermark_id: str) -> NDArray[np.uint8]:
    from imgen.provenance import watermark
    from imgen.provenance.watermark_embedding.moves import moved

    blocks = watermark.blocks_of(pixels, watermark_id)
    return moved(pixels, blocks, blocks.near)


def _ours(folder: Path, embed: Embed) -> Chain:
    from imgen.provenance import encoding, fingerprint, signer, watermark
    from imgen.provenance.development_chain import make_development_chain
    from imgen.provenance.history import WATERMARKED, created
    from imgen.provenance.manifest import Manifest

    make_development_chain(folder)
    opened = signer.open_signer((folder / "chain.pem").read_bytes(), (folder / "key.pem").read_bytes())

    def finish(pixels: NDArray[np.uint8], file_format: str, mime: str) -> None:
        marked = embed(pixels, MARK)
        printed = fingerprint.fingerprint(marked)
        body = encoding.encode(marked, file_format, quality=QUALITY)
        assert watermark.decode(encoding.decode(body)).id == MARK
        manifest = Manifest(
            version="0", gen_id="bench", actions=(created("bench", "2026-01-01T00:00:00Z"), WATERMARKED),
            watermark_id=MARK, fingerprint=printed.hash,
        )  # fmt: skip
        signed = opened.sign(body, mime, manifest)
        opened.sign_thumbnail(encoding.thumbnail(marked, file_format), mime, manifest, signed)

    return finish


def _stock(folder: Path) -> Chain:
    """Makes the stock chain: `WatermarkEncoder`, Pillow's `save` and c2pa's Builder as their documentation uses them."""
    import c2pa
    from imwatermark import WatermarkDecoder, WatermarkEncoder

    from imgen.provenance.fingerprint import compute  # `pdqhash` where it is installed

    encoder = WatermarkEncoder()
    encoder.set_watermark("bytes", bytes.fromhex(MARK))
    chain, key = (folder / "chain.pem").read_bytes(), (folder / "key.pem").read_bytes()
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key, None))
    source_type = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    manifest = {
        "claim_generator_info": [{"name": "bench", "version": "0"}],
        "title": "bench",
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": source_type}]},
            }
        ],
    }

    def save(image: Image.Image, file_format: str) -> bytes:
        file = io.BytesIO()
        image.save(file, file_format, quality=QUALITY)
        return file.getvalue()

    def finish(pixels: NDArray[np.uint8], file_format: str, mime: str) -> None:
        marked = encoder.encode(np.ascontiguousarray(pixels[..., ::-1]), "dwtDctSvd")[..., ::-1]
        compute(np.ascontiguousarray(marked))
        image = Image.fromarray(np.ascontiguousarray(marked))
        body = save(image, file_format)
        again = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))[..., ::-1]
        WatermarkDecoder("bytes", len(MARK) * 4).decode(np.ascontiguousarray(again), "dwtDctSvd")
        image.thumbnail((384, 384))
        for file in (body, save(image, file_format)):
            c2pa.Builder(manifest).sign(signer, mime, io.BytesIO(file), io.BytesIO())

    return finish


def draw_picture() -> NDArray[np.uint8]:
    """Draws noise of many sizes, as in a photograph, (768, 1344, 3)."""
    rng = np.random.default_rng(3)
    layers = np.zeros((768, 1344, 3))
    for grain in (4, 16, 64, 256):
        coarse = rng.normal(0, grain**0.7, (768 // grain + 2, 1344 // grain + 2, 3)).astype(np.float32)
        for channel in range(3):
            plane = Image.fromarray(coarse[..., channel]).resize((1344, 768), Image.Resampling.BICUBIC)
            layers[..., channel] += np.asarray(plane)
    layers = 128 + layers * (45 / layers.std()) + rng.normal(0, 2, layers.shape)
    picture: NDArray[np.uint8] = layers.clip(0, 255).astype(np.uint8)
    return picture


if __name__ == "__main__":
    _child(int(sys.argv[1]))
