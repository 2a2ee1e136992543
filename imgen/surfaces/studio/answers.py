"""Answers of Studio."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

JobStatusWord = Literal["queued", "processing", "succeeded", "failed", "canceled"]
JobId = Annotated[str, Meta(description="UUID of the job.")]


class StudioQuota(Struct, frozen=True, kw_only=True, rename="camel"):
    """Quota, true at the moment of the answer."""

    source: Annotated[
        Literal["plan", "pack"],
        Meta(description="What gives the picture: the plan, or a pack of credits where the plan's own are used up."),
    ]
    scope: Annotated[Literal["team"], Meta(description="The tenant, whose members and keys share it.")]
    remaining: Annotated[
        int | None,
        Meta(
            description="Pictures of this price that may still be made, by plan and packs, without those that are held for open "
            "jobs; null: no limit."
        ),
    ]
    charged: Annotated[bool, Meta(description="Whether the picture was charged.")]
    remaining_after_queue: Annotated[int | None, Meta(description="The same as `remaining`.")]
    charged_on_success: Annotated[
        bool, Meta(description="True: a picture is charged when it succeeds; any other end costs nothing.")
    ]


class StudioRateLimit(Struct, frozen=True, kw_only=True, rename="camel"):
    """Rate of requests."""

    remaining_this_minute: Annotated[int | None, Meta(description="Requests that are left; null: no limit.")]


class StudioStarted(Struct, frozen=True, kw_only=True, rename="camel"):
    """One of several jobs."""

    job_id: JobId
    status_url: Annotated[str, Meta(description="Path to poll.")]


class StudioAccepted(Struct, frozen=True, kw_only=True, rename="camel"):
    """New job, or several of them."""

    job_id: JobId
    status: Annotated[JobStatusWord, Meta(description="`queued`; of a repeated request the job's present status.")]
    status_url: Annotated[str, Meta(description="Path to poll.")]
    request_id: Annotated[str, Meta(description="Id of the request that made the job.")]
    quota: StudioQuota
    rate_limit: StudioRateLimit
    jobs: (
        Annotated[
            tuple[StudioStarted, ...],
            Meta(description="With `count` over 1: all jobs, in the order of their seeds; the first is `jobId`."),
        ]
        | UnsetType
    ) = UNSET
    warnings: (
        Annotated[
            tuple[str, ...],
            Meta(
                description="Fields that have no effect; `product_mask`: no plain ground was found, and the whole picture is "
                "restyled gently. Absent if there are none."
            ),
        ]
        | UnsetType
    ) = UNSET


class StudioJobError(Struct, frozen=True, kw_only=True):
    """Reason of a failed job."""

    code: Annotated[str, Meta(description="Stable word; `moderation_blocked`: the review withheld the picture.")]
    message: str


class StudioJob(Struct, frozen=True, kw_only=True, rename="camel"):
    """State of a job."""

    job_id: JobId
    status: Annotated[JobStatusWord, Meta(description="`succeeded`, `failed` and `canceled` are final.")]
    request_id: Annotated[
        str | None, Meta(description="Id of the request that made the job; null: it came over another API.")
    ]
    progress: (
        Annotated[float, Meta(description="Part of the work that is done, of an open job.", ge=0, le=1)] | UnsetType
    ) = UNSET
    quota: StudioQuota | UnsetType = UNSET
    error: StudioJobError | UnsetType = UNSET
    download_url: (
        Annotated[
            str,
            Meta(
                description="The picture, signed anew at each poll and good for 15 minutes; fetch it without the key."
            ),
        ]
        | UnsetType
    ) = UNSET
    width: Annotated[int, Meta(description="Pixels.")] | UnsetType = UNSET
    height: int | UnsetType = UNSET
    content_type: Annotated[str, Meta(description="Media type of the picture.")] | UnsetType = UNSET
    engine: (
        Annotated[str, Meta(description="Engine elsewhere that drew the picture; absent: it was drawn here.")]
        | UnsetType
    ) = UNSET
    revised_prompt: (
        Annotated[
            str,
            Meta(description="Prompt that the engine drew in place of the one it was given; absent: it tells none."),
        ]
        | UnsetType
    ) = UNSET


class StudioEnded(StudioJob, frozen=True, kw_only=True, rename="camel"):
    """Ended job as webhooks have it."""

    id: JobId


class StudioImage(Struct, frozen=True, kw_only=True, rename="camel"):
    """Kept source."""

    image_key: Annotated[
        str, Meta(description="Value of `imageKey`, good for 24 hours or as long as an open job needs it.")
    ]
    width: Annotated[int, Meta(description="Pixels, after the orientation of EXIF was applied.")]
    height: int
