"""Answers of the actions as Structs. Their schemas and docstrings are in the reference."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from imgen.domain import outcome as outcomes
from imgen.services.accounts import usage

Id = Annotated[str, Meta(description="Id for `status` and `cancel`: `run_…`, or `cache_…` for a cache hit.")]
GenId = Annotated[str, Meta(description="Picture id of 20 letters and digits; its file names begin with it.")]
Warnings = Annotated[
    tuple[str, ...], Meta(description="Fields whose values were replaced or have no effect; absent if there are none.")
]
CacheHit = Annotated[bool, Meta(description="True for a cache hit, else absent.")]
Code = Annotated[str, Meta(description="Stable word for the reason why there is no picture.")]
OpenStatus = Literal["IN_QUEUE", "IN_PROGRESS"]
EndedStatus = Literal["FAILED", "TIMED_OUT", "CANCELLED"]
AnyStatus = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED"]


class Label(Struct, frozen=True, kw_only=True):
    """Style."""

    label: Annotated[str, Meta(description="Text for a user interface.")]


class ModelEntry(Struct, frozen=True, kw_only=True):
    """Model."""

    label: Annotated[str, Meta(description="Text for a user interface.")]
    default_style: str
    styles: Annotated[dict[str, Label], Meta(description="By key, in configured order.")]
    characters: (
        Annotated[tuple[str, ...], Meta(description="Characters it can draw; absent if it can draw all.")] | UnsetType
    ) = UNSET
    sizes: (
        Annotated[
            tuple[tuple[int, int], ...],
            Meta(description="Sizes of its own, width and height, the default first; absent if it has the usual ones."),
        ]
        | UnsetType
    ) = UNSET
    reason: (
        Annotated[
            str, Meta(description="Why no engine elsewhere draws it now, so that its jobs wait; absent if it is drawn.")
        ]
        | UnsetType
    ) = UNSET


class ModelsAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `models`."""

    characters: Annotated[tuple[str, ...], Meta(description="Names for `@name` in a prompt.")]
    models: Annotated[dict[str, ModelEntry], Meta(description="By key, in configured order; the first is the default.")]


class GenerateAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `generate`: a new job, or several of them."""

    id: Id
    prompt: Annotated[str, Meta(description="Prompt that is used: the improved one if `optimize` was true.")]
    model: str
    format: str
    gen_id: GenId
    ids: (
        Annotated[
            tuple[Id, ...],
            Meta(
                description="With `n` over 1: the ids of all jobs, in the order of their seeds; the first is `id`. Cache hits "
                "(`cache_…`) come first."
            ),
        ]
        | UnsetType
    ) = UNSET
    gen_ids: (
        Annotated[tuple[GenId, ...], Meta(description="With `n` over 1: the picture ids of `ids`.")] | UnsetType
    ) = UNSET
    cache: CacheHit | UnsetType = UNSET
    warnings: Warnings | UnsetType = UNSET


class UploadAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `upload`: a kept picture."""

    image: Annotated[str, Meta(description="Id for `image` and `mask` of `generate`: `up_…`; good for a day.")]
    width: Annotated[int, Meta(description="Pixels, after the orientation of EXIF was applied.")]
    height: int
    sha256: Annotated[str, Meta(description="Digest of the file as you sent it, 64 hex digits.")]


class FoundCredentials(Struct, frozen=True, kw_only=True):
    """Content Credentials in a picture."""

    state: Annotated[
        Literal["Trusted", "Valid", "Invalid", "None"],
        Meta(
            description="`Trusted`: whole, by a signer that this server trusts; `Valid`: whole; `Invalid`: changed or "
            "unreadable; `None`: none at all."
        ),
    ]
    issuer: str | None = None
    manifest: Annotated[str | None, Meta(description="Id of the active manifest.")] = None


class FoundWatermark(Struct, frozen=True, kw_only=True):
    """Invisible watermark in a picture."""

    id: Annotated[str | None, Meta(description="Payload, 12 hex digits. Null: none was found.")] = None
    confidence: Annotated[float, Meta(ge=0, le=1)]


class FoundFingerprint(Struct, frozen=True, kw_only=True):
    """Perceptual hash of a picture."""

    hash: Annotated[str, Meta(description="PDQ, 64 hex digits.")]
    distance: Annotated[
        int | None,
        Meta(description="Bits by which it differs from `job`'s, at most 31. Null: no picture is that near."),
    ] = None


class FoundJob(Struct, frozen=True, kw_only=True):
    """Picture of your tenant that this one is, or was made from."""

    gen_id: GenId
    time: Annotated[str, Meta(description="Completion time: UTC, to the second.")]
    model: Annotated[str, Meta(description="Empty: the picture was deleted on request.")]
    removed: (
        Annotated[str, Meta(description="Time at which it was deleted on request; absent if it was not.")] | UnsetType
    ) = UNSET


class _VerifyAnswer(Struct, frozen=True, kw_only=True):
    c2pa: FoundCredentials
    watermark: FoundWatermark
    pdq: FoundFingerprint
    verdict: Annotated[
        Literal["proven", "ours", "likely", "forged", "unknown"],
        Meta(
            description="`proven`: an unbroken signature of ours; `ours`: watermark and fingerprint agree; `likely`: one of "
            "them; `forged`: credentials that say other than the watermark or the fingerprint; `unknown`: nothing of yours."
        ),
    ]


class KnownPictureAnswer(_VerifyAnswer, frozen=True, kw_only=True):
    """Answer to `verify` about a picture that is, or was made from, one of your tenant."""

    job: FoundJob


class UnknownPictureAnswer(_VerifyAnswer, frozen=True, kw_only=True):
    """Answer to `verify` where no picture, or more than one, fits."""

    job: Annotated[None, Meta(description="No picture of your tenant, or several that are alike.")] = None


VerifyAnswer = KnownPictureAnswer | UnknownPictureAnswer


class OpenAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `status` while the job waits or runs."""

    status: OpenStatus
    position: (
        Annotated[int, Meta(description="Position among the jobs that wait for the same model; 1 is next.", ge=1)]
        | UnsetType
    ) = UNSET
    progress: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    eta: Annotated[int, Meta(description="Estimate of the remaining time in seconds.")] | UnsetType = UNSET


class Image(Struct, frozen=True, kw_only=True):
    """File of a picture."""

    url: Annotated[str, Meta(description="Pre-signed at every `status`, valid for one hour; fetch it without the key.")]
    filename: str
    type: Annotated[
        Literal["signed", "thumbnail"],
        Meta(description="`signed`: the picture with its credentials; `thumbnail`: a preview."),
    ]


class PictureMeta(outcomes.Meta, frozen=True, kw_only=True):
    """Metadata of a finished picture; fields of the request have the values that were used."""

    images: tuple[Image, ...]


class CompletedAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `status` for a finished picture."""

    status: Literal["COMPLETED"]
    meta: PictureMeta
    cache: CacheHit | UnsetType = UNSET


class BlockedAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `status` if the review withheld the picture."""

    status: Literal["COMPLETED"]
    compliance: Literal["unsafe"]
    error: Annotated[str, Meta(description="Text for users with the names of the rules.")]
    filter_categories: Annotated[tuple[str, ...], Meta(description="Ids of the rules.")]
    unsafe_url: (
        Annotated[str, Meta(description="Base64-encoded URL; only if the ruleset releases the picture to the caller.")]
        | UnsetType
    ) = UNSET


class EndedAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `status` for a job that ended without a picture."""

    status: EndedStatus
    error: Annotated[str, Meta(description="`Generation failed`, `Timed out` or `Cancelled`.")]
    code: Code


class CompletedData(CompletedAnswer, frozen=True, kw_only=True):
    """Data of `job.completed`: the answer to `status`, with the job's id."""

    id: Id


class BlockedData(BlockedAnswer, frozen=True, kw_only=True):
    """Data of `job.blocked`: the answer to `status` without a withheld picture's URL, with the job's id."""

    id: Id


class EndedData(EndedAnswer, frozen=True, kw_only=True):
    """Data of `job.failed` and `job.cancelled`: the answer to `status`, with the job's id."""

    id: Id


class PromptAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `optimize` and `random`."""

    prompt: str
    warnings: Warnings | UnsetType = UNSET


class CancelAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `cancel`: `CANCELLED`, or the status of a job that had already ended."""

    status: AnyStatus


class ListedJob(Struct, frozen=True, kw_only=True):
    """Job in the answer to `jobs`."""

    id: Id
    gen_id: GenId
    status: AnyStatus
    compliance: Annotated[Literal["safe", "unsafe", ""], Meta(description="Empty without a result of the review.")]
    prompt: str
    model: str
    format: str
    time: Annotated[str, Meta(description="Time of submission: UTC, to the second.")]
    ended: Annotated[str | None, Meta(description="Time of its end; null: it is open.")]
    batch: (
        Annotated[str, Meta(description="Id of its batch, that of the batch's first job; absent: `n` was 1.")]
        | UnsetType
    ) = UNSET
    code: Code | UnsetType = UNSET


class JobsAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `jobs`."""

    jobs: Annotated[list[ListedJob], Meta(description="Newest first.")]
    cursor: Annotated[str, Meta(description="Value for the next page; empty: this is the last page.")]
    warnings: Warnings | UnsetType = UNSET


class UsageAnswer(usage.Usage, frozen=True, kw_only=True):
    """Answer to `usage`. Days and months are UTC; a picture and its credits are charged when it completes.

    The plan's own credits are used first, then those of packs; `remaining` is what is left of the plan.
    """


class Failure(Struct, frozen=True, kw_only=True):
    """Answer to a request that failed."""

    error: Annotated[str, Meta(description="Text of the error.")]


StatusAnswer = OpenAnswer | CompletedAnswer | BlockedAnswer | EndedAnswer
