"""Answers to OpenAI's clients, and the events of their streams."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType


class OpenAIPicture(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Finished picture, in one of two forms."""

    b64_json: Annotated[str, Meta(description="The file in base64.")] | UnsetType = UNSET
    url: Annotated[str, Meta(description="Signed URL, good for an hour.")] | UnsetType = UNSET
    revised_prompt: (
        Annotated[str, Meta(description="Prompt that was drawn, if it was improved or revised.")] | UnsetType
    ) = UNSET


class OpenAILoss(Struct, frozen=True, kw_only=True):
    """Picture of a request for several that is not among the answer's."""

    index: Annotated[int, Meta(description="Its place among those asked for, from 0.")]
    code: Annotated[str, Meta(description="`moderation_blocked`, or a stable word for another reason.")]
    message: str


class OpenAIInputTokens(Struct, frozen=True, kw_only=True):
    """Parts of the input."""

    text_tokens: Annotated[int, Meta(description="One for four bytes of the prompt.")]
    image_tokens: Annotated[int, Meta(description="One for each patch of 32 × 32 pixels of the pictures sent.")]


class OpenAIUsage(Struct, frozen=True, kw_only=True):
    """Size of request and answer. Plans do not count it: they count pictures and credits."""

    input_tokens: int
    input_tokens_details: OpenAIInputTokens
    output_tokens: Annotated[int, Meta(description="One for each patch of 32 × 32 pixels of the pictures.")]
    total_tokens: int


class OpenAIImages(Struct, frozen=True, kw_only=True):
    """Answer to a request for pictures."""

    created: Annotated[int, Meta(description="Unix time.")]
    background: Literal["opaque"] = "opaque"
    data: tuple[OpenAIPicture, ...]
    output_format: str
    quality: str
    size: Annotated[str, Meta(description="Width and height as drawn, such as `1024x1024`.")]
    usage: OpenAIUsage
    blocked: (
        Annotated[tuple[OpenAILoss, ...], Meta(description="Pictures that the review withheld; not OpenAI's.")]
        | UnsetType
    ) = UNSET
    failed: (
        Annotated[tuple[OpenAILoss, ...], Meta(description="Pictures that could not be made; not OpenAI's.")]
        | UnsetType
    ) = UNSET


class _Event(Struct, frozen=True, kw_only=True):
    """Fields of every event with a picture."""

    type: Annotated[str, Meta(description="`image_generation.…`, or `image_edit.…` where a picture was sent.")]
    b64_json: Annotated[str, Meta(description="The file in base64.")]
    created_at: Annotated[int, Meta(description="Unix time.")]
    size: str
    quality: str
    background: Literal["opaque"] = "opaque"
    output_format: str
    image_index: Annotated[int, Meta(description="Its place among the pictures asked for, from 0; not OpenAI's.")]


class OpenAIPartialImage(_Event, frozen=True, kw_only=True):
    """Event with a preview, which is blurred: it was not reviewed."""

    partial_image_index: Annotated[int, Meta(description="From 0.")]


class OpenAICompleted(_Event, frozen=True, kw_only=True):
    """Event with a finished picture."""

    usage: OpenAIUsage
    revised_prompt: (
        Annotated[str, Meta(description="Prompt that was drawn, if it was improved or revised.")] | UnsetType
    ) = UNSET


class OpenAILost(OpenAILoss, frozen=True, kw_only=True):
    """Event of a picture that is missing, where others are not."""

    type: Annotated[str, Meta(description="`image_generation.missing`, or `image_edit.missing`.")]


class OpenAIModel(Struct, frozen=True, kw_only=True):
    """Model."""

    id: Annotated[str, Meta(description="Value of `model`.")]
    object: Literal["model"] = "model"
    created: Annotated[int, Meta(description="Unix time; 0: it is not known.")] = 0
    owned_by: Annotated[str, Meta(description="Who computes.")]


class OpenAIModels(Struct, frozen=True, kw_only=True):
    """Models that `model` may name."""

    object: Literal["list"] = "list"
    data: tuple[OpenAIModel, ...]


class OpenAIError(Struct, frozen=True, kw_only=True):
    """Reason of a failure."""

    message: Annotated[str, Meta(description="Text for people.")]
    type: Annotated[str, Meta(description="Kind of failure.")]
    param: Annotated[str | None, Meta(description="Field of the request that is wrong.")]
    code: Annotated[str | None, Meta(description="Stable word for programs.")]


class OpenAIFailure(Struct, frozen=True, kw_only=True):
    """Answer to a request that failed, or the event `error` of a stream."""

    error: OpenAIError
