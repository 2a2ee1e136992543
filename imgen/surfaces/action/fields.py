"""Fields of the requests as JSON Schemas: those of the Structs, with the values that the running catalog and settings decide."""

from msgspec import Struct

from imgen.domain.catalog import SIZES, Model
from imgen.domain.request import FIELDS, RANGES, fields_of
from imgen.services.core import Core
from imgen.services.inputs import MAX_INLINE_BYTES
from imgen.services.logos import MAX_LOGO_BYTES
from imgen.surfaces.action import wire
from imgen.surfaces.action.translation import WIRE_STATUS
from imgen.surfaces.description import Schema

NEAREST = "Outside the range: the nearest value."
MAX_LOGO_MEGAPIXELS = 16
MAX_SOURCE_MEGAPIXELS = 32
MIN_SOURCE_SIDE = 32
_SOURCE = (
    f"base64 data URI of a PNG, JPEG or WebP, at most {MAX_INLINE_BYTES // 2**20} MiB decoded and {MAX_SOURCE_MEGAPIXELS} "
    f"megapixels, at least {MIN_SOURCE_SIDE} pixels at each side"
)
REQUIRED: dict[type[Struct], tuple[str, ...]] = {
    wire.Generate: ("prompt",),
    wire.Status: ("id",),
    wire.Optimize: ("prompt",),
    wire.Cancel: ("id",),
    wire.Upload: ("image",),
    wire.Verify: ("image",),
}
"""Request → required fields; all others are optional, and null counts as left out."""


def fields(core: Core) -> dict[type[Struct], dict[str, Schema]]:
    """Returns request → field → schema."""
    generate = _generate(core)
    jobs, verify = _schemas(wire.Jobs), _schemas(wire.Verify)
    return {
        wire.Models: {},
        wire.Generate: generate,
        wire.Upload: {
            name: _with(schema, f"A {_SOURCE}. An unusable one is an error.")
            for name, schema in _schemas(wire.Upload).items()
        },
        wire.Verify: verify
        | {
            "image": _with(
                verify["image"], f"A {_SOURCE} or an AVIF; or what `upload` answered. An unusable one is an error."
            )
        },
        wire.Status: _schemas(wire.Status),
        wire.Optimize: {name: generate[name] for name in wire.Optimize.__struct_fields__},
        wire.Random: {
            name: schema | {"enum": ["", *core.catalog.characters]} for name, schema in _schemas(wire.Random).items()
        },
        wire.Cancel: _schemas(wire.Cancel),
        wire.Jobs: jobs
        | {
            "limit": _with(jobs["limit"], NEAREST),
            "status": jobs["status"] | {"enum": list(dict.fromkeys(WIRE_STATUS.values()))},
        },
        wire.Usage: {},
    }


def _schemas(request: type[Struct]) -> dict[str, Schema]:
    return {name: about.schema for name, about in fields_of(request).items()}


def _generate(core: Core) -> dict[str, Schema]:
    """Returns the schemas of `generate`: each with its repair, and those of the catalog with their values."""
    schemas = {name: _with_repair(name, about.schema) for name, about in FIELDS.items()}
    models = list(core.catalog.models)
    styles = list(dict.fromkeys(style for model in core.catalog.models.values() for style in model.styles))
    longest = {"maxLength": core.settings.jobs.max_prompt_chars}
    return schemas | {
        "prompt": schemas["prompt"] | longest,
        "negative": schemas["negative"] | longest,
        "model": schemas["model"]
        | {
            "enum": models,
            "default": models[0],
            "description": f"Key of a model, see `models`. Anything else: `{models[0]}`.",
        },
        "optimize": schemas["optimize"] | {"description": "Improve the prompt first, like the action `optimize`."},
        "cache_only": schemas["cache_only"]
        | {"description": "With `use_cache`: answer 404 on a miss instead of making a picture."},
        "style": schemas["style"]
        | {
            "enum": styles,
            "description": "Key of a style of the model; left out or anything else: the model's default "
            f"({_default_styles(core)}).",
        },
        "compliance_ruleset": schemas["compliance_ruleset"] | {"enum": sorted(core.rulesets)},
        "wm_image": schemas["wm_image"]
        | {
            "description": "Logo over the picture: base64 data URI of a PNG, JPEG or WebP, at most "
            f"{MAX_LOGO_BYTES // 2**20} MiB decoded and {MAX_LOGO_MEGAPIXELS} megapixels. "
            "Empty: none. An unusable one is an error."
        },
        "image": schemas["image"]
        | {
            "description": f"Picture to start from: {_SOURCE}; what `upload` answered; or the id of one of your finished "
            "jobs. Without `width` and `height` the size is the one nearest to its ratio. Empty: none. An unusable one is an "
            "error."
        },
        "mask": schemas["mask"]
        | {
            "description": f"With `image`: white is redrawn, black is kept; {_SOURCE}; or what `upload` answered. It is scaled "
            "to `image`. Empty: all of it is redrawn. An unusable one is an error."
        },
        "width": _side(core, 0, schemas["width"]),
        "height": _side(core, 1, schemas["height"]),
        "steps": _by_model(core, "steps", schemas["steps"]),
        "guidance": _by_model(core, "guidance", schemas["guidance"]),
    }


def _with_repair(name: str, schema: Schema) -> Schema:
    """Adds the sentence on wrong values."""
    if name in RANGES:
        return _with(schema, NEAREST)
    if schema["type"] == "string" and "enum" in schema:
        return _with(schema, f"Anything else: `{schema['default']}`.")
    return _with(schema, f"Cut at {schema['maxLength']:,} characters.") if "maxLength" in schema else schema


def _with(schema: Schema, sentence: str) -> Schema:
    return schema | {"description": f"{schema['description']} {sentence}"}


def _by_model(core: Core, name: str, schema: Schema) -> Schema:
    """Returns the schema of a field whose range depends on the model; its limits include every range."""
    ranges = {key: getattr(model, name) for key, model in core.catalog.models.items()}
    each = "; ".join(f"`{key}`: {r.min:g} to {r.max:g}, {r.default:g} if left out" for key, r in ranges.items())
    limits = {"minimum": min(r.min for r in ranges.values()), "maximum": max(r.max for r in ranges.values())}
    return _with(schema | limits, f"By model: {each}. {NEAREST}")


def _side(core: Core, axis: int, schema: Schema) -> Schema:
    """Returns the schema of a side; with models that list their own sizes, those are told and allowed as well."""
    own = {model.key: model.sizes for model in core.catalog.models.values() if model.sizes != SIZES}
    if not own:
        return schema
    sides = list(dict.fromkeys(size[axis] for model in core.catalog.models.values() for size in model.sizes))
    each = "; ".join(f"`{key}`: {', '.join(f'{w}×{h}' for w, h in sizes)}" for key, sizes in own.items())
    default = core.catalog.model("").sizes[0][axis]
    return _with(schema | {"enum": sides, "default": default}, f"Own sizes: {each}.")


def _default_styles(core: Core) -> str:
    def styles_of(model: Model) -> str:
        return f"`{model.key}`: `{model.default_style}`, of {', '.join(f'`{style}`' for style in model.styles)}"

    return "; ".join(map(styles_of, core.catalog.models.values()))
