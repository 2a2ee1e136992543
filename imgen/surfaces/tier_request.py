"""Request for a picture of a quality tier, for every surface that has tiers. Each field has the limits that decoding enforces."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from imgen.domain.request import MAX_SEED

MAX_PROMPT_CHARS = 2000
Ratio = Literal["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3"]


class TierRequest(Struct, frozen=True, kw_only=True):
    """Request for a picture. Unknown fields are ignored; null is the same as left out."""

    prompt: Annotated[
        str,
        Meta(
            max_length=4 * MAX_PROMPT_CHARS,
            description=f"Plain text of 1 to {MAX_PROMPT_CHARS:,} characters, without the space around it.",
        ),
    ]
    negative_prompt: Annotated[
        Annotated[str, Meta(max_length=MAX_PROMPT_CHARS)] | None,
        Meta(
            description="What should not be in the picture. Where a model cannot heed it, `enhancement_logic` says so."
        ),
    ] = None
    quality_tier: Annotated[
        str | None, Meta(description="Quality, and with it the model: see the list of tiers and models.")
    ] = None
    cf_model: Annotated[str | None, Meta(description="A selectable model, in place of the tier's.")] = None
    model: Annotated[str | None, Meta(description="The same as `cf_model`.")] = None
    aspect_ratio: Annotated[
        Ratio | None, Meta(description="Ratio of width to height. Left out: the tier's own size.")
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_SEED)] | None,
        Meta(description="Seed of the initial noise. Left out: a random one."),
    ] = None
    input_asset_url: Annotated[
        str | None,
        Meta(description="An asset of yours to start from, such as `/v2/assets/<sha256>`. Nothing else is fetched."),
    ] = None
    input_job_id: Annotated[str | None, Meta(description="A completed job of yours to start from.")] = None
    input_strength: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="With a picture to start from: how far the result may leave it. 0 keeps it; 0.6 by default."),
    ] = None
    mask_image: Annotated[
        str | None,
        Meta(
            description="With a picture to start from: white where it is redrawn, black where it is kept. Base64 or a data URI."
        ),
    ] = None
