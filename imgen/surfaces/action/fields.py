"""Fields of the requests as JSON Schemas, in the order of wire.py, with values from the running catalog.

Limits and defaults come from the code that replaces wrong values; only the descriptions are written here.
"""

from typing import Any

from imgen.domain.catalog import SIZES, Model
from imgen.domain.ids import ID_FORM
from imgen.domain.request import (
    FORMATS,
    LOSSLESS_FORMATS,
    MAX_ATTRIBUTION_CHARS,
    MAX_PRECOMPLIANCE_CHARS,
    MAX_SEED,
    POSITIONS,
    RANGES,
)
from imgen.services.core import Core
from imgen.services.uploads import MAX_LOGO_BYTES
from imgen.surfaces.action import wire
from imgen.surfaces.action.answers import WIRE_STATUS
from imgen.surfaces.action.handlers import JOBS_PAGE, MAX_JOBS_PAGE
from imgen.surfaces.description import Schema

NEAREST = "Outside the range: the nearest value."
MAX_LOGO_MEGAPIXELS = 16
REQUIRED: dict[type, tuple[str, ...]] = {
    wire.Generate: ("prompt",),
    wire.Status: ("id",),
    wire.Optimize: ("prompt",),
    wire.Cancel: ("id",),
}
"""Request → required fields; all others are optional, and null counts as left out."""


def fields(core: Core) -> dict[type, dict[str, Schema]]:
    """Returns request → field → schema."""
    models = list(core.catalog.models)
    styles = list(dict.fromkeys(style for model in core.catalog.models.values() for style in model.styles))
    prompt = _text(
        "Comma-separated terms. `@name` selects a character, a term that begins with `-` is negative.",
        max_chars=core.settings.jobs.max_prompt_chars,
        min_chars=1,
    )
    model = _one_of(models, f"Key of a model, see `models`. Anything else: `{models[0]}`.")
    style = {
        "type": "string",
        "enum": styles,
        "description": f"Key of a style of the model; left out or anything else: the model's default ({_defaults(core)}).",
    }
    job_id = {
        "type": "string",
        "description": "Job id from the answer to `generate`.",
        "pattern": f"^({ID_FORM})$",
    }
    return {
        wire.Models: {},
        wire.Generate: {
            "prompt": prompt,
            "model": model,
            "negative": _text(
                "Further negative terms, added to those of the prompt.",
                max_chars=prompt["maxLength"],
                default="",
            ),
            "optimize": _flag("Improve the prompt first, like the action `optimize`."),
            "use_cache": _flag("Reuse an earlier picture if its prompt has the same meaning."),
            "cache_only": _flag("With `use_cache`: answer 404 on a miss instead of making a picture."),
            "cache_force": _flag("With `use_cache`: take the most similar picture at any distance."),
            "cache_pick": _int(
                "cache_pick", "With `use_cache`: number of best matches of which a random one is taken."
            ),
            "width": _side(0),
            "height": _side(1),
            "style": style,
            "format": _one_of(FORMATS, f"File format. Anything else: `{FORMATS[0]}`."),
            "quality": _int("quality", "Quality of the encoder."),
            "lossless": _flag(f"Only if `format` is {_either(sorted(LOSSLESS_FORMATS))}; else it counts as false."),
            "compliance_ruleset": {
                "type": "string",
                "enum": sorted(core.rulesets),
                "default": "default",
                "description": "Ruleset of the review. Blank: `default`. An unknown one is an error: "
                "a safety setting is never replaced silently.",
            },
            "precompliance": _text(
                "Hint for the reviewer, labelled as unverified; it has no effect by itself.",
                cut_at=MAX_PRECOMPLIANCE_CHARS,
            ),
            "wm_image": _text(
                "Logo over the picture: base64 data URI of a PNG, JPEG or WebP, at most "
                f"{MAX_LOGO_BYTES // 2**20} MiB decoded and {MAX_LOGO_MEGAPIXELS} megapixels. "
                "Empty: none. An unusable one is an error.",
                default="",
            ),
            "wm_position": _one_of(POSITIONS, f"Position of the logo. Anything else: `{POSITIONS[0]}`."),
            "wm_scale": _int("wm_scale", "Width of the logo in percent of the picture's."),
            "wm_transparency": _int("wm_transparency", "**Opacity** of the logo: 100 is opaque, 0 invisible."),
            "wm_rotation": _int("wm_rotation", "Rotation of the logo in degrees, clockwise."),
            "wm_padding_x": _int("wm_padding_x", "Distance of the logo from the left or right edge in pixels."),
            "wm_padding_y": _int("wm_padding_y", "Distance of the logo from the top or bottom edge in pixels."),
            **{
                f"cs_{name}": _text(
                    f"{name.capitalize()} in the picture's Content Credentials. Empty: the server's.",
                    cut_at=MAX_ATTRIBUTION_CHARS,
                )
                for name in ("author", "title", "description", "organization", "vendor")
            },
            "seed": {
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_SEED,
                "description": "Seed of the initial noise. Left out or outside the range: a random one; it is in `meta`.",
            },
            "steps": _by_model(core, "steps", "integer", "Number of denoising steps."),
            "guidance": _by_model(core, "guidance", "number", "Guidance scale: strength of the prompt's influence."),
            "lora_scale": _number("lora_scale", "Strength of the character's LoRA."),
        },
        wire.Status: {
            "id": job_id,
            "prompt": {
                "type": "string",
                "description": "Ignored; older clients send the value from the answer to `generate`.",
            },
            "model": {
                "type": "string",
                "description": "Ignored; older clients send the value from the answer to `generate`.",
            },
        },
        wire.Optimize: {"prompt": prompt, "model": model, "style": style},
        wire.Random: {
            "character": {
                "type": "string",
                "enum": ["", *core.catalog.characters],
                "description": "Character in the prompt. Empty: none. Left out or unknown: a random one, "
                "or none if the server has none.",
            }
        },
        wire.Cancel: {"id": job_id},
        wire.Jobs: {
            "limit": {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_JOBS_PAGE,
                "default": JOBS_PAGE,
                "description": f"Jobs on a page. {NEAREST}",
            },
            "cursor": _text(
                "`cursor` of the previous page. Empty: the newest jobs. Any other value is an error.",
                default="",
            ),
            "status": {
                "type": "string",
                "enum": list(dict.fromkeys(WIRE_STATUS.values())),
                "description": "Only jobs with this status. Left out or anything else: every status.",
            },
        },
        wire.Usage: {},
    }


def _text(
    description: str, *, max_chars: int = 0, min_chars: int = 0, cut_at: int = 0, default: str | None = None
) -> Schema:
    """Returns the schema of a text. A text longer than `max_chars` is an error, one longer than `cut_at` is cut."""
    limits = {"minLength": min_chars, "maxLength": max_chars or cut_at}
    cut = f" Cut at {cut_at:,} characters." if cut_at else ""
    start = "" if cut_at else default
    return (
        {"type": "string"}
        | {name: limit for name, limit in limits.items() if limit}
        | ({} if start is None else {"default": start})
        | {"description": description + cut}
    )


def _flag(description: str) -> Schema:
    return {"type": "boolean", "default": False, "description": description}


def _one_of(values: Any, description: str) -> Schema:
    return {"type": "string", "enum": list(values), "default": values[0], "description": description}


def _number(name: str, description: str, kind: str = "number") -> Schema:
    limits = RANGES[name]
    return {
        "type": kind,
        "minimum": limits.low,
        "maximum": limits.high,
        "default": limits.default,
        "description": f"{description} {NEAREST}",
    }


def _int(name: str, description: str) -> Schema:
    return _number(name, description, "integer")


def _side(axis: int) -> Schema:
    pairs = ", ".join(f"{width}×{height}" for width, height in SIZES)
    return {
        "type": "integer",
        "enum": list(dict.fromkeys(size[axis] for size in SIZES)),
        "default": SIZES[0][axis],
        "description": f"Pixels. Sizes: {pairs}. Any other pair: the first one.",
    }


def _by_model(core: Core, name: str, kind: str, description: str) -> Schema:
    """Returns the schema of a field whose range depends on the model; its limits include every range."""
    ranges = {key: getattr(model, name) for key, model in core.catalog.models.items()}
    each = "; ".join(f"`{key}`: {r.min:g} to {r.max:g}, {r.default:g} if left out" for key, r in ranges.items())
    return {
        "type": kind,
        "minimum": min(r.min for r in ranges.values()),
        "maximum": max(r.max for r in ranges.values()),
        "description": f"{description} By model: {each}. {NEAREST}",
    }


def _defaults(core: Core) -> str:
    def styles_of(model: Model) -> str:
        return f"`{model.key}`: `{model.default_style}`, of {', '.join(f'`{style}`' for style in model.styles)}"

    return "; ".join(map(styles_of, core.catalog.models.values()))


def _either(words: list[str]) -> str:
    return " or ".join(f"`{word}`" for word in words)
