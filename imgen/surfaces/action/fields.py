"""Fields of the requests as JSON Schemas: one table, field by field as in wire.py, with the running catalog's values.

An entry is the field's JSON Schema. Its limits and defaults are those that the code repairs by; here are only words.
"""

from typing import Any

from imgen.domain.catalog import SIZES, Model
from imgen.domain.job import ID_FORM
from imgen.domain.request import (
    FORMATS,
    LOSSLESS_FORMATS,
    MAX_CLAIM_CHARS,
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

NEAREST = "Outside the range: the nearest value in it."
MAX_LOGO_MEGAPIXELS = 16
REQUIRED: dict[type, tuple[str, ...]] = {
    wire.Generate: ("prompt",),
    wire.Status: ("id",),
    wire.Optimize: ("prompt",),
    wire.Cancel: ("id",),
}
"""Request → fields without which it is refused; all others may be left out, and null counts as left out."""


def fields(core: Core) -> dict[type, dict[str, Schema]]:
    """Returns for each request its fields' schemas."""
    models = list(core.catalog.models)
    styles = list(dict.fromkeys(style for model in core.catalog.models.values() for style in model.styles))
    prompt = _text(
        "Comma-separated terms. `@name` asks for a character, a term that begins with `-` is negative.",
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
        "description": "What `generate` answered.",
        "pattern": f"^({ID_FORM})$",
    }
    return {
        wire.Models: {},
        wire.Generate: {
            "prompt": prompt,
            "model": model,
            "negative": _text(
                "What should not be in the picture, beside the prompt's negative terms.",
                max_chars=prompt["maxLength"],
                default="",
            ),
            "optimize": _flag("Improve the prompt first, as the action `optimize` does."),
            "use_cache": _flag("Look first for an earlier picture whose prompt means the same."),
            "cache_only": _flag("With `use_cache`: answer 404 where there is none, instead of making one."),
            "cache_force": _flag("With `use_cache`: take the most similar one, however distant."),
            "cache_pick": _int("cache_pick", "One of so many of the best matches is taken at random."),
            "width": _side(0),
            "height": _side(1),
            "style": style,
            "format": _one_of(FORMATS, f"File format. Anything else: `{FORMATS[0]}`."),
            "quality": _int("quality", "Of the encoder."),
            "lossless": _flag(f"Only where `format` is {_either(sorted(LOSSLESS_FORMATS))}; else it counts as false."),
            "compliance_ruleset": {
                "type": "string",
                "enum": sorted(core.rulesets),
                "default": "default",
                "description": "What the review goes by. Blank: `default`. An unknown one is an error: "
                "safety never falls back in silence.",
            },
            "precompliance": _text(
                "A hint for the reviewer, labelled as unverified. It decides nothing.", cut_at=MAX_PRECOMPLIANCE_CHARS
            ),
            "wm_image": _text(
                "A mark that is laid over the picture: base64 data URI of a PNG, JPEG or WebP, at most "
                f"{MAX_LOGO_BYTES // 2**20} MiB decoded and {MAX_LOGO_MEGAPIXELS} megapixels. "
                "Empty: none. One that cannot be used is an error.",
                default="",
            ),
            "wm_position": _one_of(POSITIONS, f"Where the mark is. Anything else: `{POSITIONS[0]}`."),
            "wm_scale": _int("wm_scale", "The mark's width in percent of the picture's."),
            "wm_transparency": _int("wm_transparency", "The mark's **opacity**: 100 is opaque, 0 invisible."),
            "wm_rotation": _int("wm_rotation", "Degrees, clockwise."),
            "wm_padding_x": _int("wm_padding_x", "Pixels from the left or right edge."),
            "wm_padding_y": _int("wm_padding_y", "Pixels from the top or bottom edge."),
            **{
                f"cs_{name}": _text(
                    f"The {name} in the picture's Content Credentials. Empty: the server's own.", cut_at=MAX_CLAIM_CHARS
                )
                for name in ("author", "title", "description", "organization", "vendor")
            },
            "seed": {
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_SEED,
                "description": "Of the noise that the picture begins with. Left out or outside the range: a random one; "
                "`meta` tells it.",
            },
            "steps": _by_model(core, "steps", "integer", "Denoising steps."),
            "guidance": _by_model(core, "guidance", "number", "How closely the engine keeps to the prompt."),
            "lora_scale": _number("lora_scale", "How strongly a character's LoRA is applied."),
        },
        wire.Status: {
            "id": job_id,
            "prompt": {
                "type": "string",
                "description": "What `generate` answered. Not looked at; older clients send it.",
            },
            "model": {
                "type": "string",
                "description": "What `generate` answered. Not looked at; older clients send it.",
            },
        },
        wire.Optimize: {"prompt": prompt, "model": model, "style": style},
        wire.Random: {
            "character": {
                "type": "string",
                "enum": ["", *core.catalog.characters],
                "description": "Who is in the prompt. Empty: nobody. Left out or unknown: any character, "
                "or nobody if the server has none.",
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
                "The `cursor` of the page before. Empty: the latest jobs. One that no page gave is an error.",
                default="",
            ),
            "status": {
                "type": "string",
                "enum": list(dict.fromkeys(WIRE_STATUS.values())),
                "description": "Only jobs that stand so. Left out or anything else: all.",
            },
        },
        wire.Usage: {},
    }


def _text(
    description: str, *, max_chars: int = 0, min_chars: int = 0, cut_at: int = 0, default: str | None = None
) -> Schema:
    """Returns the schema of a text. One longer than `max_chars` is an error, one longer than `cut_at` is cut."""
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
    """Returns the schema of a range that each model has of its own; it holds them all."""
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
