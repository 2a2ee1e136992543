"""Usage as OpenAI's clients are told it. Estimates: no tokenizer is loaded, and no plan counts tokens."""

from collections.abc import Iterable

from imgen.domain.catalog import Size
from imgen.surfaces.openai.answers import OpenAIInputTokens, OpenAIUsage

PATCH = 32
"""Pixels of a patch's side."""
BYTES_A_TOKEN = 4
"""Bytes of UTF-8 that a token of English takes on average; other scripts take more bytes and more tokens."""


def usage(prompt: str, sent: Iterable[Size], drawn: Iterable[Size]) -> OpenAIUsage:
    """Counts the tokens of a prompt, of the pictures that were sent with it, and of those that were drawn."""
    text = -(-len(prompt.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN)
    image, output = sum(map(_patches, sent)), sum(map(_patches, drawn))
    return OpenAIUsage(
        input_tokens=text + image,
        input_tokens_details=OpenAIInputTokens(text_tokens=text, image_tokens=image),
        output_tokens=output,
        total_tokens=text + image + output,
    )


def _patches(size: Size) -> int:
    width, height = size
    return -(-width // PATCH) * -(-height // PATCH)
