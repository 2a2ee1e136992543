"""Errors of parts that a request or a job needs: database, Redis, object store, upstreams, configuration."""

from imgen.domain.errors.root import ImgenError


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


class ObjectNotFound(ImgenError):
    """No such object."""

    code = "object_not_found"


class ConfigurationError(ImgenError):
    """The configuration is wrong."""

    code = "configuration"


# ------------------------------------------------------------------ for workers; no caller gets one of these


class TimestampUnavailable(Retryable):
    """The time-stamp authority does not answer."""

    code = "timestamp_unavailable"


class SigningKeyUnavailable(Retryable):
    """The signing key does not answer."""

    code = "signing_key_unavailable"


class ReviewerUnavailable(Retryable):
    """A reviewer did not answer in a form that can be relied on; nothing is published without it."""

    code = "reviewer_unavailable"


class UpstreamUnavailable(Retryable):
    """An upstream did not answer."""

    code = "upstream_unavailable"

    def __init__(
        self,
        reason: str | None = None,
        *,
        status: int | None = None,
        words: str = "",
        retry_after_s: int | None = None,
    ) -> None:
        """Takes the status and the words of an answer that was an error, and the pause that it asked for."""
        super().__init__(reason, retry_after_s=retry_after_s)
        self.status = status
        self.words = words


class RemoteEngineAway(Retryable):
    """A remote engine takes no work now; nothing was drawn."""

    code = "remote_engine_away"


class RemoteEngineBusy(RemoteEngineAway):
    """A remote engine has too much to do, and wants to be left alone for a while; nothing was drawn."""


class RemoteKeyRefused(RemoteEngineAway):
    """A remote engine refuses its key, or the key is not set; nothing was drawn."""

    code = "remote_key_refused"


class SpendingCapReached(RemoteEngineAway):
    """A remote engine has reached the spending cap of this month and is off."""

    code = "spending_cap_reached"


class RemoteJobLost(ImgenError):
    """A remote engine does not know the work any more that it was given; that may have been paid."""

    code = "remote_job_lost"


class RemoteEngineFailed(ImgenError):
    """A remote engine took the work and gave no picture that can be used; the call may have been paid."""

    code = "remote_engine_failed"


class NoAnswer(Retryable):
    """An address that a tenant named did not answer."""

    code = "no_answer"


class UpstreamPaused(UpstreamUnavailable):
    """An upstream failed several times in a row and is not asked for a while."""

    code = "upstream_paused"
