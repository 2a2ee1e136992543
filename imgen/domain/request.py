"""Request for a picture, as a caller sends it and with every value resolved.

GenerateRequest is the one home of its fields: decoding takes their types from it, repair their ranges, the reference their words.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, NamedTuple, get_args

from msgspec import Meta, Struct, structs

from imgen.domain.catalog import SIZES, Model
from imgen.domain.prompt import Parsed
from imgen.domain.recipe import Attribution, Frame, Output, VisibleWatermark
from imgen.domain.studio import ENHANCE, PRODUCT

FORMATS = ("jpeg", "png", "webp", "avif")
LOSSLESS_FORMATS = frozenset({"webp", "avif"})
POSITIONS = ("bottom-right", "top-left", "top-right", "center", "bottom-left")
MAX_SEED = 2**32 - 1
MAX_PRECOMPLIANCE_CHARS = 2000
MAX_ATTRIBUTION_CHARS = 1000
PRODUCT_MASK = "product_mask"
"""Warning of Studio that is no field's: the product could not be told from its ground, so all of its picture is restyled."""
UPSCALES = (1, 2, 4)
"""Factors by which a drawn picture can be enlarged."""


def described(json_type: str, words: str, **schema: object) -> Meta:
    """Describes a field: its JSON type, its words, and further keys of JSON Schema such as `default` and `minimum`.

    Nothing of it is checked in decoding: wrong values are repaired, not refused.
    """
    return Meta(description=words, extra_json_schema={"type": json_type, **schema})


def _flag(words: str) -> Meta:
    return described("boolean", words, default=False)


def _number(default: float, low: float, high: float, words: str, json_type: str = "integer") -> Meta:
    return described(json_type, words, minimum=low, maximum=high, default=default)


def _cut_text(max_chars: int, words: str) -> Meta:
    return described("string", words, maxLength=max_chars, default="")


def _credential(name: str) -> Meta:
    return _cut_text(MAX_ATTRIBUTION_CHARS, f"{name} in the picture's Content Credentials. Empty: the server's.")


def _side(axis: int) -> Meta:
    pairs = ", ".join(f"{width}×{height}" for width, height in SIZES)
    values = list(dict.fromkeys(size[axis] for size in SIZES))
    words = f"Pixels. Sizes: {pairs}, unless the model lists its own. Any other pair: the first one."
    return described("integer", words, enum=values, default=SIZES[0][axis])


ReadPicture = Callable[[], bytes]
"""Reads the file of a picture that came with a request. Surfaces decode their own forms of it, and only when it is called: after
the cheap checks. It may raise InvalidField with the field's name."""

PictureSource = ReadPicture | str
"""Reader of a picture that came with a request, or the id of one that is stored: of an upload, or of a job."""


class GenerateRequest(Struct, frozen=True, kw_only=True):
    """Fields of a request as they were sent; None: left out.

    Those typed `object` are choices: any other value becomes the default.
    """

    prompt: Annotated[
        str | None,
        described(
            "string",
            "Comma-separated terms. `@name` selects a character, a term that begins with `-` is negative.",
            minLength=1,
        ),
    ] = None
    model: Annotated[object, described("string", "Key of a model.")] = None
    negative: Annotated[
        str | None, described("string", "Further negative terms, added to those of the prompt.", default="")
    ] = None
    optimize: Annotated[bool | None, _flag("Improve the prompt first.")] = None
    use_cache: Annotated[bool | None, _flag("Reuse an earlier picture if its prompt has the same meaning.")] = None
    cache_only: Annotated[bool | None, _flag("With `use_cache`: fail on a miss instead of making a picture.")] = None
    cache_force: Annotated[bool | None, _flag("With `use_cache`: take the most similar picture at any distance.")] = (
        None
    )
    cache_pick: Annotated[
        float | None,
        _number(5, 1, 10, "With `use_cache`: number of best matches of which a random one is taken."),
    ] = None
    width: Annotated[object, _side(0)] = None
    height: Annotated[object, _side(1)] = None
    style: Annotated[object, described("string", "Key of a style of the model.")] = None
    format: Annotated[object, described("string", "File format.", enum=list(FORMATS), default=FORMATS[0])] = None
    quality: Annotated[float | None, _number(95, 1, 100, "Quality of the encoder.")] = None
    lossless: Annotated[
        bool | None,
        _flag(
            f"Only if `format` is {' or '.join(f'`{name}`' for name in sorted(LOSSLESS_FORMATS))}; else it counts as false."
        ),
    ] = None
    compliance_ruleset: Annotated[
        str | None,
        described(
            "string",
            "Ruleset of the review. Blank: `default`. An unknown one is an error: a safety setting is never replaced silently.",
            default="default",
        ),
    ] = None
    precompliance: Annotated[
        str | None,
        _cut_text(
            MAX_PRECOMPLIANCE_CHARS, "Hint for the reviewer, labelled as unverified; it has no effect by itself."
        ),
    ] = None
    wm_image: Annotated[ReadPicture | None, described("string", "Logo over the picture. Empty: none.", default="")] = (
        None
    )
    wm_position: Annotated[
        object, described("string", "Position of the logo.", enum=list(POSITIONS), default=POSITIONS[0])
    ] = None
    wm_scale: Annotated[float | None, _number(5, 1, 100, "Width of the logo in percent of the picture's.")] = None
    wm_transparency: Annotated[
        float | None, _number(100, 0, 100, "**Opacity** of the logo: 100 is opaque, 0 invisible.")
    ] = None
    wm_rotation: Annotated[float | None, _number(0, -360, 360, "Rotation of the logo in degrees, clockwise.")] = None
    wm_padding_x: Annotated[
        float | None, _number(10, 0, 500, "Distance of the logo from the left or right edge in pixels.")
    ] = None
    wm_padding_y: Annotated[
        float | None, _number(10, 0, 500, "Distance of the logo from the top or bottom edge in pixels.")
    ] = None
    cs_author: Annotated[str | None, _credential("Author")] = None
    cs_title: Annotated[str | None, _credential("Title")] = None
    cs_description: Annotated[str | None, _credential("Description")] = None
    cs_organization: Annotated[str | None, _credential("Organization")] = None
    cs_vendor: Annotated[str | None, _credential("Vendor")] = None
    seed: Annotated[
        object,
        described(
            "integer",
            "Seed of the initial noise. Left out or outside the range: a random one; it is in `meta`.",
            minimum=0,
            maximum=MAX_SEED,
        ),
    ] = None
    steps: Annotated[float | None, described("integer", "Number of denoising steps.")] = None
    guidance: Annotated[float | None, described("number", "Guidance scale: strength of the prompt's influence.")] = None
    lora_scale: Annotated[float | None, _number(1.0, 0.0, 2.0, "Strength of the character's LoRA.", "number")] = None
    n: Annotated[
        float | None,
        _number(1, 1, 10, "Number of pictures, each a job of its own; at most as many as the plan allows open jobs."),
    ] = None
    image: Annotated[PictureSource | None, described("string", "Picture to start from. Empty: none.", default="")] = (
        None
    )
    image_strength: Annotated[
        float | None,
        _number(0.6, 0.0, 1.0, "With `image`: distance that the picture may reach from it; 0 keeps it.", "number"),
    ] = None
    mask: Annotated[
        PictureSource | None,
        described(
            "string",
            "With `image`: the part to redraw, white, and the part to keep, black; scaled to `image`. Empty: all of it. "
            "One without white is told in `warnings`: it keeps all.",
            default="",
        ),
    ] = None
    upscale: Annotated[
        object,
        described(
            "integer",
            "Factor by which the drawn picture is enlarged. Anything else: 1.",
            enum=list(UPSCALES),
            default=UPSCALES[0],
        ),
    ] = None
    webhook_url: Annotated[
        str | None,
        described(
            "string",
            "Address that the job's end is sent to, signed: an https URL that leads to a public address. Empty: none. Any other "
            "is an error.",
            default="",
        ),
    ] = None


class FieldAbout(NamedTuple):
    """Description of one field of GenerateRequest."""

    value_type: Any
    """Type of its value; `object` is a choice."""
    schema: dict[str, Any]
    """JSON Schema without the parts that a running catalog decides."""


class Range(NamedTuple):
    """Default of a numeric field, and the closed range that it is clamped to."""

    default: float
    low: float
    high: float


def fields_of(kind: type[Struct]) -> dict[str, FieldAbout]:
    """Returns the fields of a Struct that `described` each of them, in their order."""
    found = {}
    for field in structs.fields(kind):
        value_type, meta = get_args(field.type)
        found[field.name] = FieldAbout(value_type, {**meta.extra_json_schema, "description": meta.description})
    return found


FIELDS = fields_of(GenerateRequest)
RANGES = {
    name: Range(about.schema["default"], about.schema["minimum"], about.schema["maximum"])
    for name, about in FIELDS.items()
    if {"default", "minimum"} <= about.schema.keys()
}
"""Field → its range, unless the model has its own."""


class Export(Struct, frozen=True, kw_only=True):
    """Shape and size that a picture is cut and enlarged to."""

    aspect: str
    """One of studio.ASPECTS."""
    long_side: int
    """Pixels of its long side; 0: as it is drawn."""


class ResolvedRequest(Struct, frozen=True, kw_only=True):
    """Finished order of pictures: the prompt parsed, every value within its limits. Services take it from any dialect."""

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
    n: int
    """Number of pictures; the seeds are `seed`, `seed` + 1, …"""
    credits: int
    """Credits of each picture."""
    tier: str = ""
    """Key of the quality tier that was asked for; empty: none."""
    pinned: str = ""
    """Name by which the model was pinned; empty: it was not."""
    time_limit_s: int | None = None
    """Longest time of a job from its first step to its end; None: the model's own limit of a render alone."""
    plain_prompt: str | None = None
    """Prompt as it was sent, where `@` and `-` mean nothing in it; None: it is in the syntax of prompt.py."""
    mode: str = ""
    """Mode of Studio; empty: none."""
    export: Export | None = None
    """Shape and size of the finished picture; None: as it is drawn, `upscale` times."""
    frame: Frame | None = None
    """Exact size of the finished picture, of the export, once its source is known."""
    restyle_strength: float = 0.0
    """Greatest `image_strength` where a product is not told from its ground."""
    seam_px: int | None = None
    """Of the recipe; None: the usual seam of a mask."""
    notes: tuple[str, ...] = ()
    """Of the recipe."""
    must_optimize: bool = True
    """Whether a failure of the enhancer fails the request, else the prompt is drawn as it was sent."""
    optimize: bool
    use_cache: bool
    cache_only: bool
    """Counts only with `use_cache`, as does `cache_force`."""
    cache_force: bool
    cache_pick: int
    """Number of the best cached pictures to draw one from, 1–10."""
    source: PictureSource | None
    mask: PictureSource | None
    """Counts only with a source."""
    image_strength: float
    """Of the source, 0–1; of no meaning without one."""
    upscale: int
    output: Output
    logo: ReadPicture | None
    visible_watermark: VisibleWatermark
    """Logo without its image, which is checked and stored later."""
    attribution: Attribution
    ruleset: str
    precompliance: str
    webhook_url: str
    """As it was sent; empty: none."""
    sent: frozenset[str]
    """Fields that the request had a value for."""
    warnings: tuple[str, ...]
    """Fields that were repaired or have no effect, in the contract's order."""

    @property
    def is_enhance(self) -> bool:
        """Returns whether no model draws it: the source is made better."""
        return self.mode == ENHANCE

    @property
    def keeps_product(self) -> bool:
        """Returns whether a mask that keeps the product is made of its source."""
        return self.mode == PRODUCT


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Returns names of fields in the contract's order, each once, and PRODUCT_MASK after them."""
    return tuple(sorted(set(names), key=[*FIELDS, PRODUCT_MASK].index))
