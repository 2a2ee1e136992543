"""Table of the actions: request, handler, scope, answers, examples and description of each."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from msgspec import Struct

from imgen.domain.account import POLL_EVERY_S
from imgen.domain.principal import GENERATE, READ
from imgen.services.core import Core
from imgen.surfaces.action import answers, examples, handlers, wire
from imgen.surfaces.action.examples import Examples

MAX_POLLS = 120
POLLING = (
    f"Poll every {POLL_EVERY_S} seconds, at most {MAX_POLLS} times, with one request per job at a time. `COMPLETED`, `FAILED`, "
    "`TIMED_OUT` and `CANCELLED` are final, any other status is not. At `COMPLETED` check `compliance` first: `unsafe` means "
    "blocked, and there is no `meta`. At 429 wait for the number of seconds in `Retry-After`; at a 5xx or a broken connection "
    "poll again after the usual interval; at any other 4xx stop."
)


class Action(NamedTuple):
    """One row of the table."""

    request: type[Struct]
    handler: Callable[..., Awaitable[Struct]]
    """Takes core, principal and request; with `is_once` its idempotency key as well."""
    answers: tuple[type[Struct], ...]
    """Kinds of answers, without failures."""
    examples: Callable[[Core], Examples]
    description: str
    """Text of the reference."""
    scope: str = ""
    """Required scope; empty: any key may call it."""
    is_once: bool = False
    """Whether it makes something, and an idempotency key keeps a repetition from making it again."""


ACTIONS: dict[str, Action] = {
    "models": Action(
        request=wire.Models,
        handler=handlers.models,
        answers=(answers.ModelsAnswer,),
        examples=examples.models,
        description="Lists models, styles and characters.",
    ),
    "generate": Action(
        request=wire.Generate,
        handler=handlers.generate,
        answers=(answers.GenerateAnswer,),
        examples=examples.generate,
        scope=GENERATE,
        is_once=True,
        description=(
            "Starts a job and returns its id at once. A wrong value of an optional field is no error: it is replaced, and "
            "`warnings` lists the field."
        ),
    ),
    "upload": Action(
        request=wire.Upload,
        handler=handlers.upload,
        answers=(answers.UploadAnswer,),
        examples=examples.upload,
        scope=GENERATE,
        is_once=True,
        description="Keeps a picture for a day, as `image` or `mask` of `generate`. A larger one, up to 32 MiB, can be the body "
        "of `POST /api/v2/upload`, which answers the same.",
    ),
    "status": Action(
        request=wire.Status,
        handler=handlers.status,
        answers=(answers.OpenAnswer, answers.CompletedAnswer, answers.BlockedAnswer, answers.EndedAnswer),
        examples=examples.status,
        scope=READ,
        description=f"Returns the state of a job, and the URLs of a finished picture. {POLLING}",
    ),
    "optimize": Action(
        request=wire.Optimize,
        handler=handlers.optimize,
        answers=(answers.PromptAnswer,),
        examples=examples.optimize,
        scope=GENERATE,
        description="Improves the positive part of a prompt without making a picture. "
        "The character and the negative terms come back as they were.",
    ),
    "random": Action(
        request=wire.Random,
        handler=handlers.random,
        answers=(answers.PromptAnswer,),
        examples=examples.random,
        description="Returns a prompt built from the server's word lists.",
    ),
    "cancel": Action(
        request=wire.Cancel,
        handler=handlers.cancel,
        answers=(answers.CancelAnswer,),
        examples=examples.cancel,
        scope=GENERATE,
        description="Cancels a job; it is not charged. A job that has already ended does not change; the answer is its status.",
    ),
    "jobs": Action(
        request=wire.Jobs,
        handler=handlers.jobs,
        answers=(answers.JobsAnswer,),
        examples=examples.jobs,
        scope=READ,
        description="Lists your tenant's latest jobs, newest first.",
    ),
    "verify": Action(
        request=wire.Verify,
        handler=handlers.verify,
        answers=(answers.KnownPictureAnswer, answers.UnknownPictureAnswer),
        examples=examples.verify,
        scope=READ,
        description="Tells whose picture this is, also after its metadata was stripped: by its Content Credentials, its "
        "invisible watermark and its fingerprint, among the pictures of your tenant.",
    ),
    "usage": Action(
        request=wire.Usage,
        handler=handlers.usages,
        answers=(answers.UsageAnswer,),
        examples=examples.usage,
        scope=READ,
        description="Returns counts of requests and pictures, the plan's limits and what remains. Null in `limits`: no limit.",
    ),
}
"""Table in the order of the reference. Its keys are the tags of the Structs.

A new action is a Struct in wire.py, its fields in fields.py, its answers, examples, a handler and a row here; and a section of
docs/reference/action.md.
"""
