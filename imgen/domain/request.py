"""Request for a picture, as a caller sends it and with every value resolved; ranges of its fields."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from imgen.domain.catalog import Model
from imgen.domain.prompt import Parsed
from imgen.domain.recipe import Attribution, Output, VisibleWatermark

FORMATS = ("jpeg", "png", "webp", "avif")
LOSSLESS_FORMATS = frozenset({"webp", "avif"})
POSITIONS = ("bottom-right", "top-left", "top-right", "center", "bottom-left")
MAX_SEED = 2**32 - 1
MAX_PRECOMPLIANCE_CHARS = 2000
MAX_ATTRIBUTION_CHARS = 1000


class Range(NamedTuple):
    """Default of a numeric field, and the closed range that it is clamped to."""

    default: float
    low: float
    high: float


RANGES = {
    "cache_pick": Range(5, 1, 10),
    "quality": Range(95, 1, 100),
    "wm_scale": Range(5, 1, 100),
    "wm_transparency": Range(100, 0, 100),
    "wm_rotation": Range(0, -360, 360),
    "wm_padding_x": Range(10, 0, 500),
    "wm_padding_y": Range(10, 0, 500),
    "lora_scale": Range(1.0, 0.0, 2.0),
}
"""Field → its range, unless the model has its own."""


ReadPicture = Callable[[], bytes]
"""Reads the file of a picture that came with a request. Surfaces decode their own forms of it, and only when it is called: after
the cheap checks. It may raise InvalidField with the field's name."""


class GenerateRequest(Struct, frozen=True, kw_only=True):
    """Fields of a request as they were sent. Those typed `object` are choices: any other value becomes the default."""

    prompt: str | None = None
    model: object = None
    negative: str | None = None
    optimize: bool | None = None
    use_cache: bool | None = None
    cache_only: bool | None = None
    cache_force: bool | None = None
    cache_pick: float | None = None
    width: object = None
    height: object = None
    style: object = None
    format: object = None
    quality: float | None = None
    lossless: bool | None = None
    compliance_ruleset: str | None = None
    precompliance: str | None = None
    wm_image: ReadPicture | None = None
    wm_position: object = None
    wm_scale: float | None = None
    wm_transparency: float | None = None
    wm_rotation: float | None = None
    wm_padding_x: float | None = None
    wm_padding_y: float | None = None
    cs_author: str | None = None
    cs_title: str | None = None
    cs_description: str | None = None
    cs_organization: str | None = None
    cs_vendor: str | None = None
    seed: object = None
    steps: float | None = None
    guidance: float | None = None
    lora_scale: float | None = None


class ResolvedRequest(Struct, frozen=True, kw_only=True):
    """Request with its prompt parsed and every value within its limits."""

    parsed: Parsed
    negative: str
    """Explicit negative prompt, without spaces around it."""
    model: Model
    style: str
    width: int
    height: int
    seed: int
    num_inference_steps: int
    guidance_scale: float
    lora_scale: float
    output: Output
    visible_watermark: VisibleWatermark
    """Logo without its image, which is checked and stored later."""
    attribution: Attribution
    ruleset: str
    precompliance: str
    cache_pick: int
    """Number of the best cached pictures to draw one from, 1–10."""
    warnings: tuple[str, ...]
    """Names of the fields that were repaired, in the contract's order."""
