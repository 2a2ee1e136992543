"""Errors of tools in words that an agent can act on: which argument, what is allowed, when to try again, who can help."""

from collections.abc import Callable
from datetime import UTC, datetime

from imgen.domain import errors
from imgen.domain.account import Plan
from imgen.surfaces.mcp.call import McpCall
from imgen.surfaces.public_address import base_of
from imgen.surfaces.surface import problem_of

LONG_S = 3600
"""Wait from which on its end is told as a time."""


def words_of(error: errors.ImgenError, call: McpCall) -> str:
    """Returns the words for an error."""
    say = next((_WORDS[kind] for kind in type(error).__mro__ if kind in _WORDS), None)
    problem = problem_of(error)
    text = problem.text if say is None else say(error, call)
    if not text.endswith((".", "?", "!")):
        text += "."
    return " ".join(filter(None, (text, _when(problem.headers.get("Retry-After"), call))))


def _when(retry_after_s: str | None, call: McpCall) -> str:
    """Returns when to try again, in words; empty: never."""
    if retry_after_s is None:
        return ""
    seconds = int(retry_after_s)
    if seconds < LONG_S:
        return f"Try again in {seconds} second{'' if seconds == 1 else 's'}."
    return f"Try again after {datetime.fromtimestamp(call.core.clock() + seconds, UTC):%Y-%m-%d %H:%M} UTC."


def _plan(call: McpCall) -> Plan:
    return call.core.plan_of(call.principal.tenant.plan)


def _quota(_error: errors.ImgenError, call: McpCall) -> str:
    account = base_of(call.core.settings, call.scope) + "/account"
    return (
        f"The pictures or credits of the plan {_plan(call).label} are used up. A person can look at the use, or change the plan, "
        f"at {account}"
    )


def _tier(_error: errors.ImgenError, call: McpCall) -> str:
    plan = _plan(call)
    return f"The plan {plan.label} does not include this quality_tier; it has {', '.join(plan.tiers)}"


def _queue(_error: errors.ImgenError, call: McpCall) -> str:
    limit = _plan(call).open_jobs
    at_once = f" The plan {_plan(call).label} allows {limit} jobs at once." if limit else ""
    return f"Too many jobs wait.{at_once}"


def _job(_error: errors.ImgenError, _call: McpCall) -> str:
    return "There is no such job of yours: job_id is one that generate_image has answered"


def _asset(_error: errors.ImgenError, _call: McpCall) -> str:
    return "input_asset_url: there is no such picture of yours"


def _blocked(_error: errors.ImgenError, _call: McpCall) -> str:
    return "Too many pictures of this tenant were blocked lately"


def _reused(_error: errors.ImgenError, _call: McpCall) -> str:
    return "The header Idempotency-Key was sent before with other arguments: a key belongs to one call"


_WORDS: dict[type[errors.ImgenError], Callable[[errors.ImgenError, McpCall], str]] = {
    errors.QuotaExceeded: _quota,
    errors.TierNotInPlan: _tier,
    errors.QueueFull: _queue,
    errors.JobNotFound: _job,
    errors.BadId: _job,
    errors.ObjectNotFound: _asset,
    errors.TooManyBlocked: _blocked,
    errors.KeyReused: _reused,
}
"""Error → its words; those of others are the error's own."""
