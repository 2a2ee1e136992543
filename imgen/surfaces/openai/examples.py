"""Example requests and answers of the dialect, with names from the running configuration."""

from imgen.domain.example_prompt import POSITIVE
from imgen.services.core import Core
from imgen.surfaces.description import Schema
from imgen.surfaces.openai.usage import usage

CREATED = 1_795_777_777
DATA = "iVBORw0KGgoAAAANSUhEUg…"
SIZE = (1024, 1024)


def generation() -> Schema:
    """Returns a request for pictures."""
    return {"model": "gpt-image-1", "prompt": POSITIVE, "n": 1, "size": "1024x1024", "quality": "medium"}


def json_edit() -> Schema:
    """Returns a request to change a picture, as JSON."""
    return {"prompt": POSITIVE, "images": [{"image_url": f"data:image/png;base64,{DATA}"}]}


def images(*, is_edit: bool = False) -> Schema:
    """Returns an answer with a picture."""
    counted = usage(POSITIVE, [SIZE] if is_edit else [], [SIZE])
    details = counted.input_tokens_details
    return {
        "created": CREATED,
        "background": "opaque",
        "data": [{"b64_json": DATA}],
        "output_format": "png",
        "quality": "medium",
        "size": "1024x1024",
        "usage": {
            "input_tokens": counted.input_tokens,
            "input_tokens_details": {"text_tokens": details.text_tokens, "image_tokens": details.image_tokens},
            "output_tokens": counted.output_tokens,
            "total_tokens": counted.total_tokens,
        },
    }


def model(core: Core) -> Schema:
    """Returns an answer with a model."""
    return {"id": core.catalog.model("").key, "object": "model", "created": 0, "owned_by": "imgen"}
