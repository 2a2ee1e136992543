"""Bodies of Studio's requests. Each field has the limits that decoding enforces, and the words of the reference."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from imgen.domain.request import MAX_SEED
from imgen.domain.studio import MOST_COUNT, Mode

ExportSize = Literal["base", "2k", "4k"]
OutputAspect = Literal["source", "1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4"]


class StudioGenerate(Struct, frozen=True, kw_only=True, rename="camel"):
    """Request for pictures made of a source: exactly one of `imageBase64`, `imageKey` and `sourceGenerationId` is sent.

    Unknown fields are ignored; null is the same as left out.
    """

    mode: Annotated[
        Mode,
        Meta(
            description="`style`: the picture is drawn anew by the prompt. `avatar`: by a preset. `product`: the product on a "
            "plain or transparent ground is kept, and the ground is drawn anew. `enhance`: nothing is drawn; noise, sharpness, "
            "tone and size are improved."
        ),
    ]
    image_base64: Annotated[
        str | None, Meta(description="The source: PNG, JPEG or WebP of at most 8 MiB, in base64 or as a data URI.")
    ] = None
    image_key: Annotated[str | None, Meta(description="The source: what `POST /api/v1/images` answered.")] = None
    source_generation_id: Annotated[
        str | None, Meta(description="The source: the picture of a succeeded job of yours, by its `jobId`.")
    ] = None
    prompt: Annotated[
        str | None, Meta(description="Plain text. Required for `style` and `product`; of no effect with `enhance`.")
    ] = None
    export_size: Annotated[
        ExportSize | None,
        Meta(
            description="Long side: as the model draws, or the source's own for `enhance` (`base`, by default), 2048 (`2k`) or "
            "4096 pixels (`4k`)."
        ),
    ] = None
    output_aspect: Annotated[
        OutputAspect | None,
        Meta(
            description="Ratio of width to height; the picture is cropped round its middle. By default that of the source."
        ),
    ] = None
    count: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_COUNT)] | None,
        Meta(
            description="Number of pictures, each a job of its own with another seed; 1 by default. `enhance` makes equal ones."
        ),
    ] = None
    preset: Annotated[
        str | None, Meta(description="Look of an `avatar`: `anime`, `soft-3d`, `oil-paint`, or one of the operator's.")
    ] = None
    strength: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(
            description="How far the picture may leave its source, 0 keeps it. By default the mode's or the preset's own."
        ),
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_SEED)] | None,
        Meta(description="Seed of the first picture; the next ones have the next. Left out: a random one."),
    ] = None


class StudioUpload(Struct, frozen=True, kw_only=True, rename="camel"):
    """Source to keep. Its bytes may be the body as well, of at most 32 MiB."""

    image_base64: Annotated[str, Meta(description="PNG, JPEG or WebP of at most 8 MiB, in base64 or as a data URI.")]
