"""The two values that stages pass on: the picture, which changes from stage to stage, and its context, which does not."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imgen.domain.catalog import Model
from imgen.domain.job import Job, StoredImage
from imgen.domain.review import Verdict
from workers.engines import OnStep
from workers.workshop import Workshop

NO_PIXELS: NDArray[np.uint8] = np.zeros((0, 0, 3), np.uint8)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The master that the semantic cache keeps."""

    key: str
    size_bytes: int
    judged_by: str
    """Digest of the reviewers and rules that passed it."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture on its way. Fields are empty until the stage that fills them has run."""

    pixels: NDArray[np.uint8] = field(default_factory=lambda: NO_PIXELS)
    """(height, width, 3) sRGB."""
    master_key: str = ""
    """Object key of the lossless, unbranded render."""
    verdict: Verdict | None = None
    fingerprint: str = ""
    """PDQ, 64 hex digits."""
    encoded: bytes = b""
    """The file in its final format; signed once the `sign` stage has run."""
    thumbnail: bytes = b""
    watermark_verified: bool = False
    manifest_id: str = ""
    manifest_store: bytes = b""
    """JUMBF: what finds the credentials again after a platform stripped them from the file."""
    sha256: str = ""
    images: tuple[StoredImage, ...] = ()
    kept: Kept | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a stage may look at besides the picture."""

    job: Job
    model: Model
    workshop: Workshop
    checkpoint: Callable[[], None]
    """Raises `Cancelled`, `TimedOut` or `LeaseLost` if the work is to stop."""
    report: OnStep
    """Tells progress in denoising steps, does what `checkpoint` does, and shows the picture so far to who waits for it."""
