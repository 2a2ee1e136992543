"""Bodies of the requests of OpenAI's clients, as JSON or as forms. Each field has the limits that decoding enforces.

Unknown fields are ignored, and so are `style`, `user` and `moderation`: moderation is never weakened.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from imgen.domain.request import MAX_SEED

Quality = Literal["auto", "low", "medium", "high", "standard", "hd", "xhigh", "max"]
Format = Literal["png", "jpeg", "jpg", "webp", "avif"]


class OpenAIPictures(Struct, frozen=True, kw_only=True):
    """Fields of every request for pictures; null is the same as left out."""

    model: Annotated[
        str | None,
        Meta(description="A model of `GET /v1/models`. Names of OpenAI's own image models mean the default model."),
    ] = None
    n: Annotated[Annotated[int, Meta(ge=1, le=10)] | None, Meta(description="Number of pictures, 1 by default.")] = None
    size: Annotated[
        str | None,
        Meta(
            description="`auto`, or width and height such as `1024x1024`: the model's nearest size, which is answered."
        ),
    ] = None
    quality: Annotated[
        Quality | None,
        Meta(
            description="Quality tier: `low` draft, `medium` and `standard` standard, `high` and `hd` premium, `xhigh` ultra, "
            "`max` ultra_plus. `auto`: the default model."
        ),
    ] = None
    response_format: Annotated[
        Literal["b64_json", "url"] | None,
        Meta(description="Form of the pictures: base64, or a URL that is good for an hour. `b64_json` by default."),
    ] = None
    output_format: Annotated[Format | None, Meta(description="File format, `png` by default.")] = None
    output_compression: Annotated[
        Annotated[int, Meta(ge=0, le=100)] | None,
        Meta(description="Quality of the encoder; PNG has none."),
    ] = None
    background: Annotated[
        Literal["auto", "opaque", "transparent"] | None,
        Meta(description="`transparent` is refused: pictures are opaque."),
    ] = None
    stream: Annotated[bool | None, Meta(description="Answer with events.")] = None
    partial_images: Annotated[
        Annotated[int, Meta(ge=0, le=3)] | None,
        Meta(description="With `stream`: most previews of each picture."),
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_SEED)] | None,
        Meta(description="Of the first picture; the others have the next ones. Left out: a random one. Not OpenAI's."),
    ] = None
    negative_prompt: Annotated[str | None, Meta(description="What should not be in the picture. Not OpenAI's.")] = None


class OpenAIGenerate(OpenAIPictures, frozen=True, kw_only=True):
    """Request for pictures of a prompt."""

    prompt: Annotated[str, Meta(description="Plain text of 1 to 32,000 characters.")]


class OpenAIVariations(OpenAIPictures, frozen=True, kw_only=True):
    """Request for variations of a picture, as a form with the file `image`."""

    strength: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Distance that the result may reach from the picture; 0.6 by default. Not OpenAI's."),
    ] = None


class OpenAIEdit(OpenAIVariations, frozen=True, kw_only=True):
    """Request to change a picture, as a form with the files `image` (or `image[]`, up to 16) and `mask`.

    The transparent pixels of the mask are redrawn.
    """

    prompt: Annotated[str, Meta(description="Plain text of 1 to 32,000 characters.")]


class OpenAIImageUrl(Struct, frozen=True, kw_only=True):
    """Picture within a JSON request."""

    image_url: Annotated[str, Meta(description="Data URI; nothing is fetched.")]


class OpenAIJsonEdit(OpenAIEdit, frozen=True, kw_only=True):
    """Request to change a picture, as JSON."""

    images: Annotated[
        tuple[OpenAIImageUrl, ...],
        Meta(min_length=1, max_length=16, description="The first is changed; the others are references."),
    ]
    mask: Annotated[OpenAIImageUrl | None, Meta(description="Transparent where the picture is redrawn.")] = None
