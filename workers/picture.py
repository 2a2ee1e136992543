"""Picture and context, the two values that stages take: a stage returns a changed picture, the context stays the same."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imgen.domain.catalog import Model
from imgen.domain.errors import PictureFlagged
from imgen.domain.job import Job
from imgen.domain.outcome import DrawnElsewhere, StoredImage
from imgen.domain.review.verdict import Verdict
from imgen.provenance.history import Action, Ingredient
from workers.batch import Order
from workers.engines import NO_PIXELS, Drawn, OnStep
from workers.resources import WorkerResources


def _draw_nothing(_order: Order) -> Drawn | PictureFlagged:
    raise AssertionError("this phase draws nothing")


@dataclass(frozen=True, kw_only=True)
class CachedMaster:
    """Master that the semantic cache keeps."""

    key: str
    size_bytes: int
    policy_digest: str
    """Digest of the reviewers and rules that passed it; see `reviewers.policy_digests`."""
    codes: tuple[str, ...]
    """Rule ids that its review noted, those of a logo left out."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Picture between two stages. Fields are empty until the stage that fills them has run."""

    pixels: NDArray[np.uint8] = field(default_factory=lambda: NO_PIXELS)
    """(height, width, 3) uint8, sRGB; none in the render phase where `drawn_png` takes their place."""
    drawn_at: float | None = None
    """Seconds since the epoch at which the engine had drawn the pixels, for this job or another; None: an old master."""
    is_resumed: bool = False
    """Whether an earlier attempt of the render phase made the pixels, of the finished size; nothing is done to them again."""
    idle: tuple[str, ...] = ()
    """Those of `negative`, `guidance`, `seed` and `steps` that changed nothing in the pixels."""
    elsewhere: DrawnElsewhere | None = None
    """Facts that a remote engine told of the pixels; None: they were drawn here."""
    answer_file: bytes = b""
    """The remote engine's file as it came, if it carries a C2PA manifest; empty: it carries none."""
    drawn_png: bytes = b""
    """PNG that a remote engine drew, in the place of pixels to which nothing is done; empty: there are pixels."""
    upscaler: str = ""
    """Name of what enlarged the pixels: a configured file, or `lanczos`; empty: nothing did."""
    source: NDArray[np.uint8] | None = None
    """(height, width, 3) uint8, sRGB; of the size asked for once the `fit` stage has run. None: the recipe has none."""
    mask: NDArray[np.uint8] | None = None
    """(height, width) uint8, of the source's size: white is redrawn, black kept. None: the recipe has none."""
    logo: NDArray[np.uint8] | None = None
    """(height, width, 4) uint8, sRGB and straight alpha; None: the recipe has none."""
    unbranded: NDArray[np.uint8] = field(default_factory=lambda: NO_PIXELS)
    """The pixels as they were before the logo; empty again once the watermark is embedded."""
    unmarked: NDArray[np.uint8] = field(default_factory=lambda: NO_PIXELS)
    """The pixels as they were before the watermark; empty again once the `hold` stage has run."""
    actions: tuple[Action, ...] = ()
    """Steps in which the picture was made, in their order; each stage that takes one adds it."""
    ingredients: tuple[Ingredient, ...] = ()
    """Pictures that it was made from."""
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
    """JUMBF; gives the credentials back after a platform has stripped them from the file."""
    manifest_key: str = ""
    """Object key of the stored manifest store."""
    sha256: str = ""
    images: tuple[StoredImage, ...] = ()
    kept: CachedMaster | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """Job, model and resources of the work on one picture, and its callbacks."""

    job: Job
    model: Model
    resources: WorkerResources
    checkpoint: Callable[[], None]
    """Raises `Cancelled`, `TimedOut` or `LeaseLost` if the work is to stop."""
    report: OnStep
    """Step callback of the engine: publishes progress and preview, and raises as `checkpoint` does."""
    draw: Callable[[Order], Drawn | PictureFlagged] = _draw_nothing
    """Renders together with the other jobs of the batch."""
    release: Callable[[], None] = lambda: None
    """Tells that the job needs the device no more: the next render may begin."""
    is_shared: Callable[[], bool] = lambda: False
    """Returns whether other jobs take a part of the task's time."""
    loading: Callable[[], AbstractContextManager[object]] = nullcontext
    """Ends the process if its block, which loads a model, runs for too long."""
    limited: Callable[[float], AbstractContextManager[object]] = nullcontext
    """Makes `checkpoint` and `report` raise `TimedOut` once its block has run for so many seconds."""
    begin_limit: Callable[[], None] = lambda: None
    """Tells that the first step begins: `checkpoint` and `report` raise `TimeLimitPassed` once the tier's limit is over."""
