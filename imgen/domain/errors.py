"""Errors, all but PictureBlocked, which is beside the verdict that it carries (review/verdict.py).

The docstring of a class is its message; surfaces map the class to a status, workers to retry or fail.
"""


class ImgenError(Exception):
    """Something went wrong."""

    code = "internal"

    def __init__(self, message: str | None = None, *, retry_after_s: int | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().rstrip("."))
        self.retry_after_s = retry_after_s


class Unauthorized(ImgenError):
    """Unauthorized."""

    code = "unauthorized"


class InvalidKey(Unauthorized):
    """Invalid API key."""

    code = "invalid_key"


class KeyDisabled(Unauthorized):
    """API key is disabled."""

    code = "key_disabled"


class Forbidden(ImgenError):
    """Forbidden."""

    code = "forbidden"


class OutOfScope(Forbidden):
    """API key may not do this."""

    code = "out_of_scope"

    def __init__(self, scope: str) -> None:
        super().__init__("API key may not do this.")  # with its full stop, as in the contract
        self.scope = scope


class Invalid(ImgenError):
    """Invalid request."""

    code = "invalid"


class InvalidJson(Invalid):
    """Invalid JSON."""

    code = "invalid_json"


class MissingAction(Invalid):
    """Missing action."""

    code = "missing_action"


class UnknownAction(Invalid):
    """Unknown action."""

    code = "unknown_action"


class PromptRequired(Invalid):
    """Prompt is required."""

    code = "prompt_required"


class InvalidCharacter(Invalid):
    """Invalid character."""

    code = "invalid_character"


class TooManyCharacters(Invalid):
    """Only one character per prompt."""

    code = "too_many_characters"


class BadId(Invalid):
    """Bad ID."""

    code = "bad_id"


class InvalidField(Invalid):
    """Invalid field."""

    code = "invalid_field"

    def __init__(self, field: str) -> None:
        super().__init__(f"Invalid {field}")
        self.field = field


class JobNotFound(ImgenError):
    """Job not found."""

    code = "job_not_found"


class CacheMiss(ImgenError):
    """No cached result found."""

    code = "cache_miss"


class CacheExpired(ImgenError):
    """Cached result not found or expired."""

    code = "cache_expired"


class TooLarge(ImgenError):
    """Request too large."""

    code = "too_large"


class RateLimited(ImgenError):
    """Rate limit exceeded."""

    code = "rate_limited"


class TooManyBlocked(RateLimited):
    """Rate limit exceeded."""

    code = "too_many_blocked"


class QuotaExceeded(ImgenError):
    """Quota exceeded."""

    code = "quota_exceeded"


class QueueFull(ImgenError):
    """Queue is full."""

    code = "queue_full"


class GenerationFailed(ImgenError):
    """Generation failed."""

    code = "generation_failed"


class EnhancementFailed(ImgenError):
    """Enhancement failed."""

    code = "enhancement_failed"


class Retryable(ImgenError):
    """A part that should answer did not; the same work may succeed later."""

    code = "retryable"


class TransactionConflict(Retryable):
    """Another transaction was in the way; the same one succeeds when it is run again."""

    code = "transaction_conflict"


class Unavailable(Retryable):
    """Service unavailable."""

    code = "unavailable"


class RedisFull(Unavailable):
    """The memory or the disk of Redis is full."""

    code = "redis_full"


class UnreadableRow(ImgenError):
    """A stored row cannot be read by this version."""

    code = "unreadable_row"


class DatabaseUnavailable(Retryable):
    """The database does not answer."""

    code = "database_unavailable"


class DatabaseFull(DatabaseUnavailable):
    """The disk of the database is full."""

    code = "database_full"


class ObjectStoreUnavailable(Retryable):
    """The object store does not answer."""

    code = "object_store_unavailable"


class ObjectStoreFull(ObjectStoreUnavailable):
    """The disk of the object store is full."""

    code = "object_store_full"


class ConfigurationError(ImgenError):
    """The configuration is wrong."""

    code = "configuration"


# ------------------------------------------------------------------ for workers; no caller gets one of these


class Cancelled(ImgenError):
    """Cancelled."""

    code = "cancelled"


class TimedOut(ImgenError):
    """Timed out."""

    code = "timed_out"


class DeadlinePassed(TimedOut):
    """The job was open for too long."""

    code = "deadline_passed"


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


class TimestampUnavailable(Retryable):
    """The time-stamp authority does not answer."""

    code = "timestamp_unavailable"


class OutOfMemory(Retryable):
    """Memory ran out."""

    code = "out_of_memory"


class DeviceLost(Retryable):
    """The device of a worker process does not answer any more; a new process gets it back."""

    code = "device_lost"


class ReviewerUnavailable(Retryable):
    """A reviewer did not answer in a form that can be relied on; nothing is published without it."""

    code = "reviewer_unavailable"


class UpstreamUnavailable(Retryable):
    """An upstream did not answer."""

    code = "upstream_unavailable"

    def __init__(self, reason: str | None = None, *, status: int | None = None, words: str = "") -> None:
        """Takes the status and the words of an answer that was an error."""
        super().__init__(reason)
        self.status = status
        self.words = words


class UpstreamPaused(UpstreamUnavailable):
    """An upstream failed several times in a row and is not asked for a while."""

    code = "upstream_paused"


class ModelError(ImgenError):
    """A model, LoRA or picture cannot be used; trying again will not help."""

    code = "model"


class ModelNotLoaded(ModelError):
    """A model cannot be loaded."""

    code = "model_not_loaded"


class PictureFlagged(ImgenError):
    """The model's own safety checker flagged the picture; another seed, prompt or number of steps draws another."""

    code = "picture_flagged"


class ObjectNotFound(ImgenError):
    """No such object."""

    code = "object_not_found"
