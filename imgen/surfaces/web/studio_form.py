"""Form of Studio: decodes it into an order's arguments, says it as a request to the API, and writes errors as sentences."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData

from imgen.domain import errors
from imgen.domain.ids import is_job_id, stored_id, uuid_form
from imgen.domain.job import Job
from imgen.domain.studio import AVATAR, ENHANCE, EXPORTS, NEEDS_PROMPT, SOURCE_ASPECT, STYLE, StudioConfig
from imgen.surfaces.web import playground_form
from imgen.surfaces.web.snippets import Fields, File, Value

PATH = "/api/v1/generate"
SOURCE, SOURCE_NAME = playground_form.SOURCE, playground_form.SOURCE_NAME
MAX_DIGITS = 10
SENTENCES: Mapping[str, str] = {
    "prompt": "Invalid prompt: it is too long, or has nothing but commas.",
    "seed": "Invalid seed: give a whole number from 0 to 4,294,967,295.",
    "count": "Your plan does not allow so many open pictures: ask for fewer, or wait until some have ended.",
    "strength": "Invalid strength: give a percentage from 0 to 100.",
}
"""Argument of an order → sentence with advice."""


def sentence(error: errors.ImgenError) -> str:
    """Returns the error as one sentence."""
    if isinstance(error, errors.PromptRequired):
        return "Prompt is required: say what the picture should become."
    if isinstance(error, errors.InvalidField) and error.field in SENTENCES:
        return SENTENCES[error.field]
    return playground_form.sentence(error)


def arguments_of(form: FormData, studio: StudioConfig) -> dict[str, Any]:
    """Returns the arguments of `studio_order`.

    Raises:
        Invalid: there is no source.
        PromptRequired: the mode needs a prompt.
        InvalidField: a number is none.
    """
    if not (source := _text(form, SOURCE)):
        raise errors.Invalid("Choose a picture first: drop one, or take one of yours.")
    mode, prompt = _mode(form), _prompt(form)
    if mode in NEEDS_PROMPT and not prompt:
        raise errors.PromptRequired
    return {
        "mode": mode,
        "source": source,
        "prompt": prompt,
        "preset": _text(form, "preset") if mode == AVATAR else "",
        "export": _text(form, "export") or EXPORTS[0],
        "aspect": _text(form, "aspect") or SOURCE_ASPECT,
        "count": _count(form),
        "strength": _strength(form, studio),
        "seed": _number(form, "seed"),
    }


def fields_of(form: FormData, studio: StudioConfig) -> Fields:
    """Returns the body of a request to the API, which reads its source from a file or names a job; what is usual is left out.

    Raises:
        InvalidField: a number is none.
    """
    mode, source = _mode(form), _text(form, SOURCE)
    body: dict[str, Value] = {"mode": mode}
    if is_job_id(stored_id(source)):
        body["sourceGenerationId"] = uuid_form(stored_id(source))
    else:
        body["imageBase64"] = File(name=_text(form, SOURCE_NAME) or "picture.jpg")
    if prompt := _prompt(form):
        body["prompt"] = prompt
    if mode == AVATAR and (preset := _text(form, "preset")):
        body["preset"] = preset
    if (strength := _strength(form, studio)) is not None:
        body["strength"] = strength
    if (export := _text(form, "export")) not in ("", EXPORTS[0]):
        body["exportSize"] = export
    if (aspect := _text(form, "aspect")) not in ("", SOURCE_ASPECT):
        body["outputAspect"] = aspect
    if (count := _count(form)) != 1:
        body["count"] = count
    if (seed := _number(form, "seed")) is not None:
        body["seed"] = seed
    return body


def filling(job: Job) -> dict[str, str]:
    """Returns the fields of the form that a job tells."""
    source = job.recipe.diffusion.input("source")
    return {
        "tenant": job.tenant_id,
        "mode": job.recipe.mode or STYLE,
        "prompt": job.recipe.plain_prompt or "",
        "strength": str(round(100 * source.strength)) if source else "",
    }


def _mode(form: FormData) -> str:
    return _text(form, "mode") or STYLE


def _prompt(form: FormData) -> str:
    """Returns the prompt of a mode that draws, with line breaks as typed."""
    return "" if _mode(form) == ENHANCE else _text(form, "prompt").replace("\r\n", "\n").strip()


def _strength(form: FormData, studio: StudioConfig) -> float | None:
    """Returns the distance from the source as a share; the form has percent. None: the mode or the preset decides."""
    percent, mode = _number(form, "strength"), studio.modes.get(_mode(form))
    if percent is None or mode is None or mode.key == ENHANCE:
        return None
    look = studio.presets.get(_text(form, "preset")) if mode.key == AVATAR else None
    return None if percent == round(100 * (look or mode).strength) else percent / 100


def _count(form: FormData) -> int:
    """Returns the number of pictures; where nothing is drawn all would be the same."""
    return 1 if _mode(form) == ENHANCE else _number(form, "count") or 1


def _number(form: FormData, name: str) -> int | None:
    """Returns a whole number; None: the field is empty.

    Raises:
        InvalidField: it is none.
    """
    text = _text(form, name).strip()
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > MAX_DIGITS:
        raise errors.InvalidField(name)
    return int(text)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
