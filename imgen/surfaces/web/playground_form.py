"""Form of the playground: decodes it into a request, fills it from a job, and writes errors as sentences."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.datastructures import FormData, UploadFile

from imgen.domain import errors
from imgen.domain.data_uri import decode_data_uri
from imgen.domain.job import Job
from imgen.domain.prompt import parse
from imgen.domain.recipe import PromptParts
from imgen.domain.request import RANGES, GenerateRequest, ReadPicture
from imgen.services import uploads
from imgen.services.inputs import MAX_INLINE_BYTES
from imgen.services.logos import MAX_LOGO_BYTES
from imgen.surfaces.web.snippets import Fields, File, Value

LOGO_FILE = "wm_file"
LOGO_NAME = "wm_name"
"""Form fields: the upload, and the name of its file, which is enough for the code."""
LOGO_FIELDS = ("wm_scale", "wm_transparency")
SOURCE, SOURCE_NAME = "image", "image_name"
"""Form fields of the source: the id of an upload or of a job whose picture it is; the name of the uploaded file, for the code."""
MASK, MASK_NAME = "mask", "mask_name"
"""Form fields of the mask: a data URI, which the page paints, and the name of a file for the code."""
MAX_DIGITS = 9
NUMBER = re.compile(r"[0-9]{1,9}([.,][0-9]{1,9})?")
"""Decimal number, with a point or, as in many countries, a comma."""
DEFAULT_RULESET = "default"
"""Ruleset of a request without one (contract, `generate`)."""

DEFAULT_STRENGTH = str(round(100 * RANGES["image_strength"].default))
"""Percent; the form's own field begins with it."""

SENTENCES: Mapping[str, str] = {
    "prompt_required": "Prompt is required: say what should be in the picture.",
    "invalid_character": "Invalid character: this model knows nobody by that @name.",
    "too_many_characters": "Only one character per prompt: leave one @name.",
    "forbidden": "You may not make pictures for this tenant.",
    "too_large": "This is too large to send. Choose smaller pictures.",
    "quota_exceeded": "Quota exceeded: this tenant's pictures, or the space for its sources, are used up for now.",
    "queue_full": "Queue is full: wait until an open picture has ended, then try again.",
    "rate_limited": "Rate limit exceeded: too many requests within a minute.",
    "too_many_blocked": "Rate limit exceeded: too many blocked pictures lately.",
    "cache_miss": "No cached result found.",
    "enhancement_failed": "Enhancement failed: try again, or switch off “Improve my prompt”.",
    "generation_failed": "Generation failed: the picture could not be queued. Try again in a moment.",
}
"""Error code → sentence with advice."""
FIELD_SENTENCES: Mapping[str, str] = {
    "prompt": "Invalid prompt: it is too long.",
    "negative": "Invalid negative prompt: it is too long.",
    "quality": "Invalid quality: give a whole number from 1 to 100.",
    "steps": "Invalid steps: give a whole number.",
    "guidance": "Invalid guidance: give a number such as 3.5.",
    "image": (
        f"Invalid source: choose a PNG, JPEG or WebP of at most {uploads.MAX_BYTES // 2**20} MiB and 32 megapixels, or a picture "
        "that is still kept and of the chosen tenant."
    ),
    "mask": "Invalid mask: clear it and paint it anew.",
    "wm_image": "Invalid logo: choose a PNG, JPEG or WebP of at most 4 MiB and 16 megapixels.",
}


def sentence(error: errors.ImgenError) -> str:
    """Returns the error as one sentence, with the time to wait if it has one."""
    if isinstance(error, errors.Retryable):
        return "A part of the service does not answer. Try again in a moment."
    text = str(error)
    if isinstance(error, errors.InvalidField):
        text = FIELD_SENTENCES.get(error.field, text)
    text = SENTENCES.get(error.code, text)
    return f"{text} Try again in {_wait(error.retry_after_s)}." if error.retry_after_s else text


async def request_of(form: FormData) -> GenerateRequest:
    """Decodes the request of a form with its files.

    Raises:
        InvalidField: a value cannot be replaced.
    """
    values: dict[str, Any] = _fields(form)
    if (logo := await _file(form, LOGO_FILE, "wm_image", MAX_LOGO_BYTES)) is not None:
        values |= _logo_fields(form) | {"wm_image": logo}
    if source := _text(form, SOURCE):
        values |= _source_fields(form) | {"image": source}
        if mask := _text(form, MASK):
            values["mask"] = partial(decode_data_uri, mask, field="mask", max_bytes=MAX_INLINE_BYTES)
    return GenerateRequest(**values)


def fields_of(form: FormData) -> Fields:
    """Returns the request for code, which reads its pictures from files.

    Raises:
        InvalidField: as for `request_of`.
    """
    fields = _fields(form)
    if name := _text(form, LOGO_NAME):
        fields |= _logo_fields(form) | {"wm_image": File(name=name)}
    name, source = _text(form, SOURCE_NAME), _text(form, SOURCE)
    if name or source:
        fields |= _source_fields(form) | {"image": File(name=name) if name else source}
        if mask := _text(form, MASK_NAME):
            fields["mask"] = File(name=mask)
    return fields


def filling(job: Job, *, with_seed: bool = False) -> dict[str, str | bool]:
    """Returns the form's fields for a job: the prompt as typed, the seed only if requested."""
    recipe = job.recipe
    words, source = recipe.prompt_parts, recipe.diffusion.input("source")
    typed = ", ".join(_negatives(words))
    return {
        "tenant": job.tenant_id,
        "prompt": words.original_prompt,
        "negative": words.negative.removeprefix(typed).removeprefix(", "),
        "model": recipe.model,
        "style": recipe.style,
        "size": f"{recipe.diffusion.width}x{recipe.diffusion.height}",
        "format": recipe.output.format,
        "quality": str(recipe.output.quality),
        "compliance_ruleset": recipe.ruleset,
        "seed": str(recipe.diffusion.seed) if with_seed else "",
        "steps": str(recipe.diffusion.num_inference_steps),
        "guidance": str(recipe.diffusion.guidance_scale),
        "image_strength": str(round(100 * source.strength)) if source else DEFAULT_STRENGTH,
        "upscale": str(recipe.diffusion.upscale) if recipe.diffusion.upscale > 1 else "",
        "optimize": words.optimized,
        "use_cache": recipe.cache_hit is not None,
        "wm_position": recipe.visible_watermark.position,
        "wm_scale": str(recipe.visible_watermark.scale),
        "wm_transparency": str(recipe.visible_watermark.transparency),
    }


def _negatives(words: PromptParts) -> tuple[str, ...]:
    """Returns the negative terms of a prompt as it was typed; none of one that was made without words."""
    try:
        return parse(words.original_prompt, (words.character,) if words.character else ()).negative
    except errors.PromptRequired:
        return ()


def _fields(form: FormData) -> dict[str, Value]:
    """Returns the fields by the Action API's names, without empty ones."""
    width, _, height = _text(form, "size").partition("x")
    fields: dict[str, Value] = {
        "prompt": _text(form, "prompt").replace("\r\n", "\n")
    }  # line breaks as typed, before form encoding
    fields |= {name: text for name in ("model", "style") if (text := _text(form, name))}
    if width or height:
        fields |= {"width": _parse_int("width", width), "height": _parse_int("height", height)}
    fields |= {name: text for name in ("format", "negative") if (text := _text(form, name).replace("\r\n", "\n"))}
    if quality := _text(form, "quality").strip():
        fields["quality"] = _parse_int("quality", quality)
    if (ruleset := _text(form, "compliance_ruleset")) not in ("", DEFAULT_RULESET):
        fields["compliance_ruleset"] = ruleset
    if seed := _text(form, "seed").strip():
        fields["seed"] = int(seed) if seed.isascii() and seed.isdecimal() and len(seed) <= MAX_DIGITS + 1 else seed
    if steps := _text(form, "steps").strip():
        fields["steps"] = _parse_int("steps", steps)
    if guidance := _text(form, "guidance").strip():
        fields["guidance"] = _parse_number("guidance", guidance)
    if upscale := _text(form, "upscale"):
        fields["upscale"] = _parse_int("upscale", upscale)
    if (number := _text(form, "n")) not in ("", "1"):
        fields["n"] = _parse_int("n", number)
    fields |= {name: True for name in ("optimize", "use_cache") if form.get(name)}
    return fields


def _logo_fields(form: FormData) -> dict[str, Value]:
    """Returns the placement of the logo."""
    placement: dict[str, Value] = {"wm_position": _text(form, "wm_position")}
    return placement | {name: _parse_int(name, text) for name in LOGO_FIELDS if (text := _text(form, name))}


def _source_fields(form: FormData) -> dict[str, Value]:
    """Returns the distance from the source, as a share; the form has percent."""
    percent = _text(form, "image_strength")
    return {"image_strength": _parse_int("image_strength", percent) / 100} if percent else {}


async def _file(form: FormData, name: str, field: str, max_bytes: int) -> ReadPicture | None:
    """Reads an uploaded file; None: none was chosen.

    Raises:
        InvalidField: it is empty or too large.
    """
    upload = form.get(name)
    if not isinstance(upload, UploadFile) or not upload.filename:
        return None
    body = await upload.read(max_bytes + 1)
    await upload.close()
    if not body or len(body) > max_bytes:
        raise errors.InvalidField(field)
    return lambda: body


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _parse_int(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > MAX_DIGITS:
        raise errors.InvalidField(name)
    return int(text)


def _parse_number(name: str, text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise errors.InvalidField(name)
    return float(text.replace(",", "."))


def _wait(seconds: int) -> str:
    for unit_s, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{round(seconds / unit_s)} {name}"
    return f"{seconds} seconds"
