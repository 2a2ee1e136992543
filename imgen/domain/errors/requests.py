"""Errors of requests: they tell the caller what to change, or when to come again."""

from imgen.domain.errors.root import ImgenError


class Unauthorized(ImgenError):
    """Unauthorized."""

    code = "unauthorized"


class InvalidKey(Unauthorized):
    """Invalid API key."""

    code = "invalid_key"


class TenantClosed(InvalidKey):
    """Invalid API key."""

    code = "tenant_closed"


class InvalidToken(InvalidKey):
    """The access token is unknown, expired, revoked or for another resource."""

    code = "invalid_token"


class KeyDisabled(Unauthorized):
    """API key is disabled."""

    code = "key_disabled"


class Forbidden(ImgenError):
    """Forbidden."""

    code = "forbidden"


class TooManyTenants(Forbidden):
    """A person may not own that many tenants."""

    code = "too_many_tenants"


class OutOfScope(Forbidden):
    """API key may not do this."""

    code = "out_of_scope"

    def __init__(self, scope: str) -> None:
        super().__init__("API key may not do this.")  # with its full stop, as in the contract
        self.scope = scope


class SurfaceNotInPlan(Forbidden):
    """Plan does not include this surface."""

    code = "surface_not_in_plan"


class TierNotInPlan(Forbidden):
    """Plan does not include this quality tier."""

    code = "tier_not_in_plan"


class ExportNotInPlan(Forbidden):
    """Plan does not include pictures of this size."""

    code = "export_not_in_plan"


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

    def __init__(self, field: str, reason: str = "") -> None:
        """Takes the field's name, and a sentence for its caller if there is more to say."""
        super().__init__(reason or f"Invalid {field}")
        self.reason = reason
        self.field = field


class UnsafeUrl(ImgenError):
    """The URL does not lead to a public address."""

    code = "unsafe_url"


class RequestInProgress(ImgenError):
    """Request in progress."""

    code = "request_in_progress"


class KeyReused(ImgenError):
    """Idempotency key reused."""

    code = "idempotency_key_reused"


class KeyShownBefore(ImgenError):
    """The request was carried out before, and its key was shown then."""

    code = "key_shown_before"


class TenantNotFound(ImgenError):
    """There is no such tenant."""

    code = "tenant_not_found"


class JobNotFound(ImgenError):
    """Job not found."""

    code = "job_not_found"


class ModelNotFound(ImgenError):
    """There is no such model."""

    code = "model_not_found"


class NotFinished(ImgenError):
    """The pictures are not finished yet: send the same request again to go on waiting for them."""

    code = "not_finished"


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
