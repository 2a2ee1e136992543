"""Errors that end a job, or put it back."""

from imgen.domain.errors.parts import Retryable
from imgen.domain.errors.root import ImgenError


class Cancelled(ImgenError):
    """Cancelled."""

    code = "cancelled"


class TimedOut(ImgenError):
    """Timed out."""

    code = "timed_out"


class DeadlinePassed(TimedOut):
    """The job was open for too long."""

    code = "deadline_passed"


class TimeLimitPassed(TimedOut):
    """The job took longer than its tier allows."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"Timed out after {limit_s:g} s")


class WorkerLost(ImgenError):
    """The worker process ended while it worked on the job."""

    code = "worker_lost"


class LoadTimedOut(ImgenError):
    """The model was not loaded in time."""

    code = "load_timed_out"


class MasterLost(ImgenError):
    """The rendered picture is not in the object store any more."""

    code = "master_lost"


class LeaseLost(ImgenError):
    """Another worker owns this job now."""

    code = "lease_lost"


class OutOfMemory(Retryable):
    """Memory ran out."""

    code = "out_of_memory"


class NoTimeLeft(Retryable):
    """The worker's task had no time left to draw the picture; it is drawn alone."""

    code = "no_time_left"


class WorkerEnds(Retryable):
    """The worker process ends; another one goes on with the job."""

    code = "worker_ends"


class DeviceLost(Retryable):
    """The device of a worker process does not answer any more; a new process gets it back."""

    code = "device_lost"


class ModelError(ImgenError):
    """A model, LoRA or picture cannot be used; trying again will not help."""

    code = "model"


class ModelNotLoaded(ModelError):
    """A model cannot be loaded."""

    code = "model_not_loaded"


class SourceLost(ModelError):
    """The source or the mask is not stored any more, or has changed."""

    code = "source_lost"


class PictureFlagged(ImgenError):
    """The model's own safety checker flagged the picture; another seed, prompt or number of steps draws another."""

    code = "picture_flagged"


class RefusedByProvider(PictureFlagged):
    """The provider of a remote engine refused to draw this by its own policy."""

    code = "refused_by_provider"
