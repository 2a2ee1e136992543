"""Nudity detector: the 320n weights of PyPI's `nudenet`, run by onnxruntime on one CPU thread. Offline; decides nothing.

Only the package's weights file is used. Its own code would load OpenCV, and swaps red and blue on the way. The network is
a YOLOv8n: 18 kinds of body parts, exposed or covered, and faces.
"""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgen.domain.errors import ConfigurationError

PACKAGE, WEIGHTS = "nudenet", "320n.onnx"
REMEDY = "the reviewer `nudity` needs the extra of that name: pip install 'imgen[nudity]'"
LONG_SIDES = (320, 640)
"""Pixels of the longer side at which a picture is seen: the network was trained at 320, and small figures show at 640."""
STRIDE = 32
"""Both sides of the input are multiples of it."""
BOX = 4
"""Rows of the output before the scores: centre, width and height of a box."""
LOAD_ERRORS = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
"""onnxruntime's errors on files that it cannot use."""
NO_WARNINGS = 3
"""onnxruntime's severity from which it writes to stderr: errors alone."""


class NudityDetector:
    """Network in memory."""

    def __init__(self, weights: Path) -> None:
        """Loads the weights.

        Raises:
            ConfigurationError: onnxruntime is missing, or the file is no such network.
        """
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as errors  # they have no common class
        except ImportError as exc:
            raise ConfigurationError(REMEDY) from exc
        unusable = (*(getattr(errors, name) for name in LOAD_ERRORS), LookupError, ValueError)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = NO_WARNINGS
        try:
            self._session: Any = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
            names = ast.literal_eval(self._session.get_modelmeta().custom_metadata_map["names"])
        except unusable as exc:
            raise ConfigurationError(f"{weights} cannot be used as a detector: {exc}") from exc
        self.labels: tuple[str, ...] = tuple(names[number] for number in sorted(names))
        """Kinds of what it finds, in the order of its output."""
        self._input = self._session.get_inputs()[0].name

    def scores(self, pixels: NDArray[np.uint8]) -> dict[str, float]:
        """Returns the best score by label, 0–1, anywhere in a picture (H, W, 3) uint8, sRGB."""
        seen = [self._session.run(None, {self._input: network_input(pixels, side)})[0][0] for side in LONG_SIDES]
        best = np.max([output[BOX:].max(axis=1) for output in seen], axis=0)
        return dict(zip(self.labels, map(float, best), strict=True))


def network_input(pixels: NDArray[np.uint8], long_side: int) -> NDArray[np.float32]:
    """Scales a picture to (1, 3, h, w) in 0…1, black below and to the right where its sides are no multiples of the stride."""
    image = Image.fromarray(pixels)
    factor = long_side / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    across, down = (-(-side // STRIDE) * STRIDE for side in size)
    canvas = Image.new("RGB", (across, down))
    canvas.paste(image.resize(size, Image.Resampling.BILINEAR))
    return np.ascontiguousarray((np.asarray(canvas, np.float32) / 255).transpose(2, 0, 1)[None])


@cache
def load_detector(package: str = PACKAGE) -> NudityDetector:
    """Loads the weights of an installed package, once in a process.

    Raises:
        ConfigurationError: package or onnxruntime is not installed, or not in the version that is pinned.
    """
    spec = find_spec(package)  # found, not imported: that would load OpenCV
    if spec is None or spec.origin is None:
        raise ConfigurationError(REMEDY)
    return NudityDetector(Path(spec.origin).parent / WEIGHTS)
