"""Example requests and answers of the actions, with names from the running catalog."""

import base64
import hashlib
from typing import NamedTuple

from imgen.domain.catalog import SIZES, Size
from imgen.domain.example_prompt import CHARACTER, NEGATIVE, POSITIVE
from imgen.domain.request import RANGES
from imgen.services.core import Core
from imgen.surfaces.description import Schema, Variant

JOB_ID, GEN_ID = "run_Wf3gq0v8hYxQ2d1mC7LkZA", "k3v9x0q2m8c1z7b5n4d6"
UPLOAD_ID = "up_Hq2mV8xT0bYc4dWf6gLk1A"
_SQUARE = "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgAQAAAABbAUdZAAAAEUlEQVR42mP8z8DAwMQwaAkAswEBP25AfJYAAAAASUVORK5CYII="
"""White PNG of 32 × 32 pixels in base64."""
FINGERPRINT = "d8f8f0cce0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"


class Examples(NamedTuple):
    """Examples of one action."""

    request: Schema
    """Valid request, without `action`."""
    answers: tuple[Schema, ...]
    """Answers, one of each kind, in the order of the action's row."""
    variants: tuple[Variant, ...] = ()


def models(core: Core) -> Examples:
    """Makes the examples of `models`."""
    key, style, _ = _names(core)
    model = core.catalog.models[key]
    entry = {
        "label": model.label,
        "default_style": style,
        "styles": {key: {"label": look.label} for key, look in model.styles.items()},
    }
    return Examples({}, ({"characters": list(core.catalog.characters), "models": {key: entry}},))


def generate(core: Core) -> Examples:
    """Makes the examples of `generate`."""
    model, style, character = _names(core)
    width, height = _size(core)
    request = {
        "prompt": _prompt(character),
        "model": model,
        "style": style,
        "width": width,
        "height": height,
        "format": "webp",
        "seed": 1234,
    }
    begun = _begun(core)
    ids = [begun["id"], *(f"run_{number}f3gq0v8hYxQ2d1mC7LkZA" for number in "XYZ")]
    gen_ids = [begun["gen_id"], *(f"{number}3v9x0q2m8c1z7b5n4d6" for number in "mnp")]
    several = Variant(
        name="generate_several",
        about="four pictures of one prompt, with the seeds 1234 to 1237",
        request={"prompt": _prompt(character), "format": "webp", "n": 4, "seed": 1234},
        answer=begun | {"ids": ids, "gen_ids": gen_ids},
    )
    square = f"data:image/png;base64,{_SQUARE}"
    from_picture = Variant(
        name="generate_from_picture",
        about="a part of a picture redrawn and enlarged; `image` and `mask` may be what `upload` answered as well",
        request={
            "prompt": _prompt(character),
            "format": "webp",
            "image": square,
            "image_strength": 0.8,
            "mask": square,
            "upscale": 2,
        },
        answer=begun,
    )
    return Examples(request, (begun,), (several, from_picture))


def upload(_core: Core) -> Examples:
    """Makes the examples of `upload`: a white square of 32 pixels."""
    sha256 = hashlib.sha256(base64.b64decode(_SQUARE)).hexdigest()
    answer = {"image": UPLOAD_ID, "width": 32, "height": 32, "sha256": sha256}
    return Examples({"image": f"data:image/png;base64,{_SQUARE}"}, (answer,))


def verify(core: Core) -> Examples:
    """Makes the examples of `verify`: a picture whose metadata was stripped."""
    answer = {
        "c2pa": {"state": "None", "issuer": None, "manifest": None},
        "watermark": {"id": "9f3c1a7be204", "confidence": 0.97},
        "pdq": {"hash": FINGERPRINT, "distance": 4},
        "job": {"gen_id": GEN_ID, "time": "2026-11-26T12:00:00Z", "model": next(iter(core.catalog.models))},
        "verdict": "ours",
    }
    nobodys = answer | {"watermark": {"id": None, "confidence": 0.0}, "job": None, "verdict": "unknown"}
    nobodys["pdq"] = {"hash": FINGERPRINT, "distance": None}
    return Examples({"image": f"data:image/png;base64,{_SQUARE}"}, (answer, nobodys))


def status(core: Core) -> Examples:
    """Makes the examples of `status`."""
    model, _, character = _names(core)
    return Examples(
        {"id": JOB_ID, "prompt": _prompt(character), "model": model},
        (
            {"status": "IN_QUEUE", "position": 3, "progress": 0.0, "eta": 12},
            {"status": "COMPLETED", "meta": _meta(core)},
            {
                "status": "COMPLETED",
                "compliance": "unsafe",
                "error": "Content blocked — flagged for: Real people",
                "filter_categories": ["real_people"],
            },
            {"status": "FAILED", "error": "Generation failed", "code": "worker_lost"},
        ),
    )


def optimize(core: Core) -> Examples:
    """Makes the examples of `optimize`."""
    model, _, character = _names(core)
    improved = _prompt(character, "red coat, on a wooden bench, low sun")
    return Examples({"prompt": _prompt(character), "model": model}, ({"prompt": improved},))


def random(core: Core) -> Examples:
    """Makes the examples of `random`."""
    _, _, character = _names(core)
    return Examples({"character": character}, ({"prompt": _prompt(character, "linen dress, in a greenhouse")},))


def cancel(_core: Core) -> Examples:
    """Makes the examples of `cancel`."""
    return Examples({"id": JOB_ID}, ({"status": "CANCELLED"},))


def jobs(core: Core) -> Examples:
    """Makes the examples of `jobs`."""
    ended = {
        "status": "COMPLETED",
        "compliance": "safe",
        "time": "2026-03-04T05:06:00Z",
        "ended": "2026-03-04T05:06:07Z",
    }
    page = {"jobs": [_begun(core) | ended], "cursor": "MTc3MjYwMDc2Ny4wIHJ1bl8"}
    return Examples({"limit": 2, "status": "COMPLETED"}, (page,))


def usage(core: Core) -> Examples:
    """Makes the examples of `usage`."""
    counts = {"requests": 41, "pictures": 3, "open": 1, "credits": 6, "credits_held": 2}
    limits = {
        "requests_per_minute": 120,
        "pictures_per_day": 20,
        "pictures_per_month": 100,
        "credits_per_day": None,
        "credits_per_month": 200,
        "open_jobs": 5,
    }
    left = {"requests_per_minute": 113, "pictures_per_day": 16, "pictures_per_month": 96, "credits_per_month": 192}
    pack = {"name": "pack_500", "label": "Starter", "credits": 500, "held": 0, "left": 500}
    answer = {
        "plan": core.settings.default_plan,
        "key": {"today": counts, "month": counts},
        "tenant": {"today": counts, "month": counts},
        "limits": limits,
        "remaining": limits | left | {"open_jobs": 4},
        "packs": [pack | {"bought": "2026-03-04T05:06:07Z"}],
    }
    return Examples({}, (answer,))


def _names(core: Core) -> tuple[str, str, str]:
    """Returns the first model, its default style and a character it can draw; empty: it has none."""
    model = next(iter(core.catalog.models.values()))
    characters = core.catalog.characters_of(model)
    return model.key, model.default_style, CHARACTER if CHARACTER in characters else next(iter(characters), "")


def _prompt(character: str, positive: str = POSITIVE) -> str:
    return f"{f'@{character} ' if character else ''}{positive}, -{NEGATIVE}"


def _begun(core: Core) -> Schema:
    model, _, character = _names(core)
    return {"id": JOB_ID, "prompt": _prompt(character), "model": model, "format": "webp", "gen_id": GEN_ID}


def _size(core: Core) -> Size:
    """Returns a size of the first model, the third of the usual ones if it has that."""
    sizes = core.catalog.model("").sizes
    return SIZES[2] if SIZES[2] in sizes else sizes[0]


def _meta(core: Core) -> Schema:
    model, style, character = _names(core)
    width, height = _size(core)
    filename = f"{GEN_ID}_{FINGERPRINT}_00001"
    chosen = core.catalog.models[model]
    return {
        "id": JOB_ID,
        "gen_id": GEN_ID,
        "time": "2026-03-04T05:06:07Z",
        "prompt": _prompt(character),
        "original_prompt": _prompt(character),
        "positive": POSITIVE,
        "negative": NEGATIVE,
        "character": character,
        "model": model,
        "style": style,
        "width": width,
        "height": height,
        "format": "webp",
        "quality": RANGES["quality"].default,
        "lossless": False,
        "optimized": False,
        "compliance": "safe",
        "compliance_codes": [],
        "compliance_ruleset": "default",
        "precompliance": "",
        "fingerprint": FINGERPRINT,
        "images": [
            {"url": f"{core.settings.public_url}/files/…", "filename": f"{filename}.webp", "type": "signed"},
            {"url": f"{core.settings.public_url}/files/…", "filename": f"{filename}_thumb.webp", "type": "thumbnail"},
        ],
        "enable_invisimark": True,
        "enable_c2pa": True,
        "compute_pdq": True,
        "wm_position": "bottom-right",
        **{name: limits.default for name, limits in RANGES.items() if name.startswith("wm_")},
        **{f"cs_{name}": "" for name in ("author", "title", "description", "organization", "vendor")},
        "seed": 1234,
        "steps": chosen.steps.default,
        "guidance": chosen.guidance.default,
        "watermark_id": "9f3c1a7be204",
        "watermark_verified": True,
        "sha256": "5b0e61f25a1f2c8e2b7a4a2a0d5e2f8f7c9f6f6f6c7f2a6d1b2e3c4d5f607182",
        "manifest_id": "urn:c2pa:3fad1ead-8ed5-44d0-873b-ea5f58adea82",
        "timings": {"queue": 0.1, "render": 6.2, "review": 0.3, "finish": 0.4, "upload": 0.1},
        "upscale": 1,
        "upscaler": "",
        "engine": "",
        "drawn_width": None,
        "drawn_height": None,
        "revised_prompt": "",
    }
