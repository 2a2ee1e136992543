"""What the actions answer, as Structs: only their schemas are used. Tests hold real answers against them."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from imgen.domain import job
from imgen.services.accounts import usage

Id = Annotated[str, Meta(description="What to poll with: `run_…`, or `cache_…` for a cache hit.")]
GenId = Annotated[str, Meta(description="20 letters and digits that name the picture: its files begin with it.")]
Warnings = Annotated[list[str], Meta(description="Fields whose values were replaced. There only if some were.")]
CacheHit = Annotated[bool, Meta(description="There, and true, only at a cache hit.")]
AnyStatus = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED"]


class Label(Struct, frozen=True, kw_only=True):
    """A style."""

    label: Annotated[str, Meta(description="For people.")]


class ModelEntry(Struct, frozen=True, kw_only=True):
    """A model."""

    label: Annotated[str, Meta(description="For people.")]
    default_style: str
    styles: Annotated[dict[str, Label], Meta(description="By key, in configured order.")]
    characters: (
        Annotated[list[str], Meta(description="The characters it can draw. There only if it cannot draw all.")]
        | UnsetType
    ) = UNSET


class ModelsAnswer(Struct, frozen=True, kw_only=True):
    """To `models`."""

    characters: Annotated[list[str], Meta(description="Names to put behind `@` in a prompt.")]
    models: Annotated[dict[str, ModelEntry], Meta(description="By key, in configured order; the first is the default.")]


class GenerateAnswer(Struct, frozen=True, kw_only=True):
    """To `generate`: a job has begun."""

    id: Id
    prompt: Annotated[str, Meta(description="As it will be used: the improved one, if `optimize` was set.")]
    model: str
    format: str
    gen_id: GenId
    cache: CacheHit | UnsetType = UNSET
    warnings: Warnings | UnsetType = UNSET


class OpenAnswer(Struct, frozen=True, kw_only=True):
    """To `status` while the job waits or runs."""

    status: Literal["IN_QUEUE", "IN_PROGRESS"]
    position: Annotated[int, Meta(description="Place among all waiting jobs; 1 is next.", ge=1)] | UnsetType = UNSET
    progress: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    eta: Annotated[int, Meta(description="An estimate in seconds.")] | UnsetType = UNSET


class Image(Struct, frozen=True, kw_only=True):
    """A file."""

    url: Annotated[str, Meta(description="Signed anew at every `status`, good for one hour; fetch it without the key.")]
    filename: str
    type: Annotated[
        Literal["signed", "thumbnail"],
        Meta(description="`signed`: the picture with its credentials; `thumbnail`: a preview."),
    ]


class PictureMeta(job.Meta, frozen=True, kw_only=True):
    """Everything about a finished picture; fields of the request are as they were used."""

    images: list[Image]


class CompletedAnswer(Struct, frozen=True, kw_only=True):
    """To `status` when the picture is there."""

    status: Literal["COMPLETED"]
    meta: PictureMeta
    cache: CacheHit | UnsetType = UNSET


class BlockedAnswer(Struct, frozen=True, kw_only=True):
    """To `status` when the review withheld the picture."""

    status: Literal["COMPLETED"]
    compliance: Literal["unsafe"]
    error: Annotated[str, Meta(description="A sentence for people, with the names of the rules.")]
    filter_categories: Annotated[list[str], Meta(description="Ids of the rules.")]
    unsafe_url: (
        Annotated[str, Meta(description="Address in base64; only where the ruleset lets the caller see the picture.")]
        | UnsetType
    ) = UNSET


class EndedAnswer(Struct, frozen=True, kw_only=True):
    """To `status` when the job has ended without a picture."""

    status: Literal["FAILED", "TIMED_OUT", "CANCELLED"]
    error: Annotated[str, Meta(description="`Generation failed`, `Timed out` or `Cancelled`.")]


class PromptAnswer(Struct, frozen=True, kw_only=True):
    """To `optimize` and `random`."""

    prompt: str


class CancelAnswer(Struct, frozen=True, kw_only=True):
    """To `cancel`: `CANCELLED`, or how a job that had ended before stands."""

    status: AnyStatus


class ListedJob(Struct, frozen=True, kw_only=True):
    """A line of `jobs`."""

    id: Id
    gen_id: GenId
    status: AnyStatus
    compliance: Annotated[Literal["safe", "unsafe", ""], Meta(description="Empty where there is nothing to tell.")]
    prompt: str
    model: str
    format: str
    time: Annotated[str, Meta(description="When it was asked for: UTC, to the second.")]
    ended: Annotated[str | None, Meta(description="When it ended.")]


class JobsAnswer(Struct, frozen=True, kw_only=True):
    """To `jobs`."""

    jobs: Annotated[list[ListedJob], Meta(description="Newest first.")]
    cursor: Annotated[str, Meta(description="Of the next page; empty: this was the last.")]
    warnings: Warnings | UnsetType = UNSET


class UsageAnswer(usage.Usage, frozen=True, kw_only=True):
    """To `usage`. Days and months are UTC; a picture counts when it completes."""


class Failure(Struct, frozen=True, kw_only=True):
    """To whatever did not succeed."""

    error: Annotated[str, Meta(description="One sentence.")]


class Alive(Struct, frozen=True, kw_only=True):
    """The process lives."""

    status: Literal["ok"]
    version: str


class Ready(Struct, frozen=True, kw_only=True):
    """Whether a job can be taken now."""

    status: Literal["ok", "unavailable"]
    parts: Annotated[dict[str, Literal["ok", "unavailable"]], Meta(description="`database` and `redis`.")]


_META = {
    "time": "When the picture was made: UTC, to the second.",
    "original_prompt": "The prompt as it was sent.",
    "positive": "The prompt's positive terms.",
    "negative": "The prompt's negative terms and the field `negative`.",
    "character": "The prompt's character; empty: none.",
    "optimized": "Whether the prompt was improved.",
    "compliance": "`safe`.",
    "compliance_codes": "What the reviewer noted all the same: ids of rules.",
    "fingerprint": "PDQ perceptual hash, 64 hex digits: similar pictures have similar hashes.",
    "enable_invisimark": "Whether it carries an invisible watermark.",
    "enable_c2pa": "Whether it carries Content Credentials.",
    "compute_pdq": "Whether its fingerprint was taken.",
    "watermark_id": "What the invisible watermark carries.",
    "watermark_verified": "Whether the watermark was read back from the finished file.",
    "sha256": "Of the signed file.",
    "manifest_id": "Of the C2PA manifest.",
    "timings": "Seconds spent in each part.",
}
"""Fields of `meta` that do not repeat the request."""
ABOUT: dict[type[Struct], dict[str, str]] = {
    PictureMeta: _META,
    UsageAnswer: {
        "key": "Of this key, by period: `today` and `month`.",
        "tenant": "Of all keys of the tenant, by period: `today` and `month`.",
        "limits": "What the plan allows. Null: no limit.",
        "remaining": "What is left of it. Null: no limit, or not told.",
    },
}
"""Answer → field → words, for Structs that other parts of the house share."""
