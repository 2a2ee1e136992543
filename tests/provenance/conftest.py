"""Synthetic pictures of the kinds that break marks and encoders, and a development certificate chain."""

import http.server
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from imgen.provenance.development_chain import make_development_chain
from imgen.provenance.signer import open_signer


def _flat(colour):
    return lambda height, width: np.full((height, width, 3), colour, np.uint8)


def _noise(height, width):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _gradient(height, width):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (height + width)], -1).astype(np.uint8)


def _illustration(height, width):
    rng = np.random.default_rng(2)
    image = Image.new("RGB", (width, height), (250, 240, 230))
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, radius = int(rng.integers(0, width)), int(rng.integers(0, height)), int(rng.integers(20, 200))
        colour = tuple(int(level) for level in rng.choice([0, 30, 128, 220, 255], 3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return np.asarray(image)


def _photo(contrast, brightness):
    def make(height, width):
        rng = np.random.default_rng(3)
        layers = np.zeros((height, width, 3))
        for grain in (4, 8, 16, 32, 64, 128, 256):
            coarse = rng.normal(0, grain**0.7, (height // grain + 2, width // grain + 2, 3)).astype(np.float32)
            for channel in range(3):
                layers[..., channel] += np.asarray(
                    Image.fromarray(coarse[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
                )
        layers *= 45 / layers.std()
        layers = layers.mean(-1, keepdims=True) * 0.7 + layers * 0.5
        grainy = 128 + brightness + layers * contrast + rng.normal(0, 3, layers.shape)
        return grainy.clip(0, 255).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def pictures():
    """Name → function of height and width giving (H, W, 3) uint8."""
    return {
        "grey": _flat(128),
        "black": _flat(0),
        "white": _flat(255),
        "red": _flat((255, 0, 0)),
        "green": _flat((0, 255, 0)),
        "blue": _flat((0, 0, 255)),
        "yellow": _flat((255, 255, 0)),
        "cyan": _flat((0, 255, 255)),
        "noise": _noise,
        "gradient": _gradient,
        "illustration": _illustration,
        "photo": _photo(1, 0),
        "dark": _photo(0.5, -110),
        "bright": _photo(0.5, 110),
        "contrast": _photo(2.5, 0),
    }


@pytest.fixture(scope="session")
def photo(pictures):
    """One photograph-like picture of the default size, 768 × 1344."""
    return pictures["photo"](768, 1344)


@pytest.fixture(scope="session")
def chain(tmp_path_factory):
    """A development chain: `chain`, `key` and `anchor` in PEM bytes, and the folder."""
    folder = tmp_path_factory.mktemp("chain")
    make_development_chain(folder)
    return SimpleNamespace(
        folder=folder,
        chain=(folder / "chain.pem").read_bytes(),
        key=(folder / "key.pem").read_bytes(),
        anchor=(folder / "anchor.pem").read_bytes(),
    )


@pytest.fixture(scope="session")
def signer(chain):
    """A signer of the development chain."""
    return open_signer(chain.chain, chain.key, anchors=chain.anchor)


@pytest.fixture(scope="session")
def small(photo):
    """A corner of the photograph, 256 × 256."""
    return photo[:256, :256]


@pytest.fixture(scope="session", autouse=True)
def _no_telemetry():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENCYPHER_C2PA_TELEMETRY", "off")
        yield


@pytest.fixture
def canary():
    """A server on loopback that writes down who asks, and answers 500: (address, requests)."""
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the name http.server calls

        def log_message(self, *_):
            """Keeps the test's output clean."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()
    thread.join()
