"""Rows of the jobs table as values. Their JSON may be of another version of Imgen: older, or newer while an upgrade is under way.

Older JSON is completed by defaults, unknown fields of newer JSON are ignored. The rest of newer JSON, such as a state or a type
that this version does not know, is an `UnreadableRow` for a process that works on the job; a list shows the rest of the row.
"""

from typing import TypeVar

import msgspec
from sqlalchemy import RowMapping

from imgen.domain.errors import UnreadableRow
from imgen.domain.job import Job, State, View, rank_of, state_for_owner
from imgen.domain.outcome import Outcome
from imgen.domain.recipe import Diffusion, PromptParts, Recipe

T = TypeVar("T")

VIEW_COLUMNS = ("id", "tenant_id", "state", "fence", "model", "outcome", "error_code", "created_at", "ended_at")
"""Columns of a poll view."""
SEARCHED_CHARS = 300
"""Indexed beginning of a prompt: PostgreSQL limits index entries to 2.7 KB."""
_COLUMNS = {"counted_as": "key_id"}
"""Field of a job → column of another name."""
_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)
_recipe = msgspec.json.Decoder(Recipe)
_outcome = msgspec.json.Decoder(Outcome)
_timings = msgspec.json.Decoder(dict[str, float])


def to_row(job: Job) -> dict[str, object]:
    """Makes the row of a job."""
    row = {_COLUMNS.get(name, name): getattr(job, name) for name in job.__struct_fields__}
    row["recipe"] = msgspec.json.encode(job.recipe).decode()
    row["timings"] = msgspec.json.encode(job.timings).decode()
    row["outcome"] = None if job.outcome is None else msgspec.json.encode(job.outcome).decode()
    recipe, words = job.recipe, job.recipe.prompt_parts
    return row | {
        "model": recipe.model,
        "style": recipe.style,
        "character": words.character,
        "ruleset": recipe.ruleset,
        "prompt": words.prompt[:SEARCHED_CHARS],
        "logo_key": recipe.visible_watermark.image_key,
    }


def from_row(row: RowMapping) -> Job:
    """Makes a job of a row, to work on.

    Raises:
        UnreadableRow: a newer version wrote it, or nobody did.
    """
    try:
        decoded = {
            "state": State(row["state"]),
            "recipe": _recipe.decode(row["recipe"]),
            "timings": _timings.decode(row["timings"]),
            "outcome": None if row["outcome"] is None else _outcome.decode(row["outcome"]),
        }
    except _FAULTS as exc:
        raise UnreadableRow(f"The row of job {row['id']} cannot be read: {type(exc).__name__}") from exc
    return Job(**{name: row[_COLUMNS.get(name, name)] for name in Job.__struct_fields__} | decoded)


def listed(row: RowMapping) -> Job:
    """Makes a job of a row, to be shown in a list: parts that cannot be read are empty, but for what has a column."""
    try:
        return from_row(row)
    except UnreadableRow:
        decoded = {
            "state": _state(row),
            "recipe": _decoded(_recipe, row["recipe"]) or _bare_recipe(row),
            "timings": _decoded(_timings, row["timings"]) or {},
            "outcome": _decoded(_outcome, row["outcome"] or ""),
        }
        return Job(**{name: row[_COLUMNS.get(name, name)] for name in Job.__struct_fields__} | decoded)


def view_of_row(row: RowMapping) -> View:
    """Makes the poll view of a row with VIEW_COLUMNS.

    Raises:
        UnreadableRow: the outcome cannot be read.
    """
    try:
        outcome = None if row["outcome"] is None else _outcome.decode(row["outcome"])
    except _FAULTS as exc:
        raise UnreadableRow(f"The outcome of job {row['id']} cannot be read: {type(exc).__name__}") from exc
    return View(
        tenant_id=row["tenant_id"],
        state=state_for_owner(_state(row), row["fence"]),
        model=row["model"],
        outcome=outcome,
        rank=rank_of(_state(row), row["fence"]),
        code=row["error_code"] if row["ended_at"] is not None else "",
        ended_at=row["ended_at"],
    )


def timings_of(timings: str) -> dict[str, float]:
    """Returns the timings of a job's render half; none if they cannot be read."""
    return _decoded(_timings, timings) or {}


def _state(row: RowMapping) -> State:
    """Returns the row's state; for an unknown one the nearest: under way, or failed unless its outcome tells more."""
    try:
        return State(row["state"])
    except ValueError:
        if row["ended_at"] is None:
            return State.RENDERING
        outcome = _decoded(_outcome, row["outcome"] or "") or Outcome()
        return State.COMPLETED if outcome.meta else State.BLOCKED if outcome.blocked else State.FAILED


def _bare_recipe(row: RowMapping) -> Recipe:
    nothing = Diffusion(positive="", negative="", width=0, height=0, seed=0, num_inference_steps=0, guidance_scale=0.0)
    parts = PromptParts(prompt=row["prompt"], original_prompt=row["prompt"], character=row["character"])
    return Recipe(model=row["model"], style=row["style"], prompt_parts=parts, diffusion=nothing, ruleset=row["ruleset"])


def _decoded(decoder: msgspec.json.Decoder[T], text: str) -> T | None:
    try:
        return decoder.decode(text)
    except _FAULTS:
        return None
