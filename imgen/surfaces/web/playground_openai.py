"""Request of the playground in the words of OpenAI's images, and the parts of it that they cannot say."""

from imgen.domain.request import MAX_SEED
from imgen.services.core import Core
from imgen.surfaces.web.playground_forge import UNSAID, SaidRequest, plain_words
from imgen.surfaces.web.snippets import Fields, Value

PATH = "/v1/images/generations"
NAMES = {"model": "model", "n": "n", "format": "output_format", "quality": "output_compression"}
"""Field of the Action API → the same one here."""


def openai_request(core: Core, fields: Fields) -> SaidRequest:
    """Says a request of the playground, in the Action API's names, in those of OpenAI's images as far as it goes."""
    said, unsaid = plain_words(core, fields, max_chars=core.settings.openai.max_prompt_chars)
    said |= {new: fields[old] for old, new in NAMES.items() if old in fields}
    if {"width", "height"} <= fields.keys():
        said["size"] = f"{fields['width']}x{fields['height']}"
    model = core.catalog.models.get(str(fields.get("model", "")))
    if model is not None and fields.get("style", model.default_style) != model.default_style:
        unsaid.append("style")
    seed = fields.get("seed")
    if isinstance(seed, int) and seed <= MAX_SEED:
        said["seed"] = seed
    elif seed is not None:
        unsaid.append("seed")
    if "image" in fields:
        unsaid.append("source (pictures are changed by forms, at /v1/images/edits)")
    unsaid += [words for name, words in UNSAID.items() if name in fields and name not in NAMES]
    usual: dict[str, Value] = {"response_format": "url"}
    return SaidRequest(said | usual, tuple(unsaid))
