"""Request of the playground in the words of Forge, and the parts of it that Forge cannot say."""

from collections.abc import Mapping
from typing import NamedTuple

from imgen.domain.catalog import Model, size_of_ratio
from imgen.domain.errors import ImgenError
from imgen.domain.ids import is_job_id, stored_id, uuid_form
from imgen.domain.prompt import parse, plain
from imgen.domain.request import MAX_SEED
from imgen.domain.tiers import DEFAULT_TIER, Tier, tier_size
from imgen.services.core import Core
from imgen.services.tiers import tier_candidate
from imgen.surfaces.web.snippets import Fields, Value

PATH = "/v2/generate"
FORMAT = "png"
MAX_CHARS = 2000
"""Limit of prompt and negative prompt (contract, section 3)."""
UNSAID: Mapping[str, str] = {
    "quality": "quality",
    "steps": "steps",
    "guidance": "guidance",
    "upscale": "enlargement",
    "n": "number of pictures",
    "optimize": "improvement of the prompt",
    "use_cache": "cache",
    "compliance_ruleset": "ruleset",
    "wm_image": "logo",
}
"""Fields without a counterpart → words for them."""


class SaidRequest(NamedTuple):
    """Body of a request to another API."""

    fields: Fields
    unsaid: tuple[str, ...]
    """Parts of the playground's request that are not in it, in words."""


async def forge_request(core: Core, fields: Fields) -> SaidRequest:
    """Says a request of the playground, in the Action API's names, in those of Forge as far as it goes."""
    said, unsaid = plain_words(core, fields, max_chars=MAX_CHARS)
    model = core.catalog.models.get(str(fields.get("model", "")))
    named = None if model is None else await _naming(core, model)
    if model is None or named is None:
        unsaid.append("model and size")
    else:
        tier, more = named
        said |= more
        ratio = _ratio(tier, model, fields)
        if ratio is None:
            unsaid.append("size")
        elif ratio:
            said["aspect_ratio"] = ratio
        if fields.get("style", model.default_style) != model.default_style:
            unsaid.append("style")
    seed = fields.get("seed")
    if isinstance(seed, int) and seed <= MAX_SEED:
        said["seed"] = seed
    elif seed is not None:
        unsaid.append("seed")
    said |= _source(fields)
    if "image" in fields and "input_job_id" not in said:
        unsaid.append("source from a file (Forge starts from pictures of jobs)")
    if fields.get("format") != FORMAT:
        unsaid.append("format (its pictures are PNG)")
    unsaid += [words for name, words in UNSAID.items() if name in fields]
    return SaidRequest(said, tuple(unsaid))


def plain_words(core: Core, fields: Fields, *, max_chars: int) -> tuple[dict[str, Value], list[str]]:
    """Returns prompt and negative prompt as plain text, and the words for their parts that are left out."""
    prompt, negative, unsaid = str(fields["prompt"]), str(fields.get("negative", "")), []
    try:
        parsed = parse(prompt, core.catalog.characters)
        if parsed != plain(prompt):
            prompt = ", ".join(parsed.positive)
            negative = ", ".join([*parsed.negative, negative] if negative else parsed.negative)
        if parsed.character:
            unsaid.append(f"character @{parsed.character}")
    except ImgenError:
        pass  # an unfinished prompt: it stays as it was typed
    if max(len(prompt.strip()), len(negative)) > max_chars:
        unsaid.append(f"all beyond {max_chars:,} characters of a prompt")
    said: dict[str, Value] = {"prompt": prompt.strip()[:max_chars]}
    return said | ({"negative_prompt": negative[:max_chars]} if negative else {}), unsaid


async def _naming(core: Core, model: Model) -> tuple[Tier, dict[str, Value]] | None:
    """Returns fields that have a model draw, with their tier: none if the default tier does; None: nothing names the model."""
    tiers = core.tiers.tiers
    for tier in (tiers[DEFAULT_TIER], *tiers.values()):
        drawn_by = await tier_candidate(core, tier)
        if drawn_by is not None and drawn_by.model.key == model.key:
            return tier, {} if tier.key == DEFAULT_TIER else {"quality_tier": tier.key}
    for entry in core.tiers.selectable.values():
        if entry.model == model.key:
            return tiers[DEFAULT_TIER], {"model": next(iter(entry.names), entry.key)}
    return None


def _ratio(tier: Tier, model: Model, fields: Fields) -> str | None:
    """Returns the ratio that has the size of a request drawn; empty: none is needed; None: no ratio has that size."""
    size = (fields.get("width"), fields.get("height"))
    if size == (None, None) or (size == tier_size(tier, model) and "image" not in fields):
        return ""
    return next((ratio for ratio in tier.ratios if size_of_ratio(ratio, model.all_sizes) == size), None)


def _source(fields: Fields) -> dict[str, Value]:
    """Returns the picture of a job to start from, with strength and mask; empty: there is none."""
    job_id = stored_id(str(fields.get("image", "")))
    if not is_job_id(job_id):
        return {}
    names = {"image_strength": "input_strength", "mask": "mask_image"}
    return {"input_job_id": uuid_form(job_id)} | {new: fields[old] for old, new in names.items() if old in fields}
