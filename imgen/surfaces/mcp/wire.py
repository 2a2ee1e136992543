"""Arguments and structured answers of the tools. Those of pictures are the requests and jobs of every surface with tiers."""

from typing import Annotated

from msgspec import Meta, Struct

from imgen.surfaces.tier_jobs import TierJob

MAX_WAIT_S = 600


class NoArguments(Struct, frozen=True, kw_only=True):
    """Arguments of a tool that takes none."""


class JobArguments(Struct, frozen=True, kw_only=True):
    """Arguments that name a job."""

    job_id: Annotated[str, Meta(description="`job_id` as another tool answered it.")]


class CheckArguments(JobArguments, frozen=True, kw_only=True):
    """Arguments of a look at a job."""

    wait_s: Annotated[
        Annotated[float, Meta(ge=0, le=MAX_WAIT_S)] | None,
        Meta(
            description="Seconds to wait for its end, instead of asking again and again; the server has a limit. 0 by default."
        ),
    ] = None


class ImageJob(TierJob, frozen=True, kw_only=True):
    """State of a job, and its picture."""

    url: Annotated[
        str | None,
        Meta(description="Address of the finished picture, which takes no credential; null until then."),
    ]
    width: Annotated[int | None, Meta(description="Width of the finished picture, in pixels.")]
    height: Annotated[int | None, Meta(description="Height of the finished picture, in pixels.")]
    progress: Annotated[float | None, Meta(description="Share of the work done, 0 to 1; null: unknown, or ended.")]
    position: Annotated[int | None, Meta(description="Place in the queue, 1 is next; null: it does not wait there.")]
    eta_s: Annotated[int | None, Meta(description="Seconds that it is likely to take still; null: unknown.")]
    notes: Annotated[tuple[str, ...], Meta(description="Sentences on what of the request has no effect.")]
