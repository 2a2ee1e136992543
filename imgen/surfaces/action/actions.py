"""Table of the actions: request, handler, scope, answers and description of each."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from msgspec import Struct

from imgen.domain.principal import GENERATE, READ
from imgen.services.core import Core
from imgen.surfaces.action import answers, handlers, wire
from imgen.surfaces.action.handlers import PendingPrincipal

POLL_EVERY_S = 3
MAX_POLLS = 120
POLLING = (
    f"Ask every {POLL_EVERY_S} seconds, at most {MAX_POLLS} times, and never twice at once for one job. `COMPLETED`, `FAILED`, "
    "`TIMED_OUT` and `CANCELLED` are final, any other status is not. At `COMPLETED` look at `compliance` first: `unsafe` means "
    "blocked, and there is no `meta`. At 429 wait as many seconds as `Retry-After` says; at a 5xx or a broken connection ask "
    "again at the next turn; at any other 4xx stop."
)


class Action(NamedTuple):
    """One row of the table."""

    request: type[Struct]
    handler: Callable[[Core, PendingPrincipal, Any], Awaitable[Struct]]
    answers: tuple[type[Struct], ...]
    """Every kind of answer but failures."""
    description: str
    """For the reference."""
    scope: str = ""
    """Scope that the key needs; empty: any key will do."""


ACTIONS: dict[str, Action] = {
    "models": Action(
        request=wire.Models,
        handler=handlers.models,
        answers=(answers.ModelsAnswer,),
        description="Lists models, styles and characters.",
    ),
    "generate": Action(
        request=wire.Generate,
        handler=handlers.generate,
        answers=(answers.GenerateAnswer,),
        scope=GENERATE,
        description=(
            "Starts a picture and answers its job id at once. A wrong value of an optional field does not fail: it is replaced, "
            "and the answer names the field in `warnings`."
        ),
    ),
    "status": Action(
        request=wire.Status,
        handler=handlers.status,
        answers=(answers.OpenAnswer, answers.CompletedAnswer, answers.BlockedAnswer, answers.EndedAnswer),
        scope=READ,
        description=f"Says how a job stands, and where its picture is. {POLLING}",
    ),
    "optimize": Action(
        request=wire.Optimize,
        handler=handlers.optimize,
        answers=(answers.PromptAnswer,),
        scope=GENERATE,
        description="Improves the positive part of a prompt without making a picture. "
        "Character and negative terms come back as they were.",
    ),
    "random": Action(
        request=wire.Random,
        handler=handlers.random,
        answers=(answers.PromptAnswer,),
        description="Writes a prompt out of the server's word lists.",
    ),
    "cancel": Action(
        request=wire.Cancel,
        handler=handlers.cancel,
        answers=(answers.CancelAnswer,),
        scope=GENERATE,
        description="Ends a job; it is not charged. One that has ended stays as it is and answers with its own status.",
    ),
    "jobs": Action(
        request=wire.Jobs,
        handler=handlers.jobs,
        answers=(answers.JobsAnswer,),
        scope=READ,
        description="Lists your tenant's latest jobs, newest first.",
    ),
    "usage": Action(
        request=wire.Usage,
        handler=handlers.usages,
        answers=(answers.UsageAnswer,),
        scope=READ,
        description="Tells what you have used and what remains. Null in `limits`: no limit.",
    ),
}
"""In the order in which the reference lists them. A new action is a Struct in wire.py, an answer, a handler and a line here."""
