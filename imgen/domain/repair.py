"""Repair of a request: one call parses the prompt and gives every optional field a valid value (contract, `generate`).

A wrong value of an optional field is repaired and named in `warnings`, never refused: old clients must not break. Two
errors are refused all the same: an unknown ruleset, because safety never falls back in silence, and a prompt without words.
"""

from collections.abc import Container

from msgspec import structs

from imgen.domain.catalog import Catalog
from imgen.domain.errors import InvalidField
from imgen.domain.field_values import FieldReader
from imgen.domain.prompt import parse
from imgen.domain.request import GenerateRequest, ResolvedRequest, in_order
from imgen.domain.resolution import resolve_with


def resolve(
    request: GenerateRequest,
    catalog: Catalog,
    rulesets: Container[str],
    *,
    max_prompt_chars: int,
    open_jobs: int = 0,
) -> ResolvedRequest:
    """Parses the prompt and normalizes every other field: applies each fallback and clamp.

    Args:
        request: as it was sent.
        catalog: models and characters.
        rulesets: names of the configured ones.
        max_prompt_chars: limit of `prompt` and of `negative`.
        open_jobs: limit of the tenant's plan, 0: none; `n` is clamped to it.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters: see domain.prompt.parse.
        InvalidCharacter: the chosen model does not have the character.
        InvalidField: `prompt` or `negative` is too long, or `compliance_ruleset` names no configured one.
    """
    prompt, negative = request.prompt or "", request.negative or ""
    if len(prompt) > max_prompt_chars:
        raise InvalidField("prompt")
    parsed = parse(prompt, catalog.characters)
    if len(negative) > max_prompt_chars:
        raise InvalidField("negative")
    reader = _Repair()
    reader.note_lost("prompt", prompt)
    reader.note_lost("negative", negative)
    resolved = resolve_with(
        reader, request, parsed, catalog, rulesets, sizes_of=lambda model: model.sizes, open_jobs=open_jobs
    )
    return structs.replace(resolved, warnings=in_order(reader.changed))


class _Repair(FieldReader):
    """Reader that takes the nearest value, and remembers the fields for which it is another."""

    def __init__(self) -> None:
        self.changed: list[str] = []

    def wrong(self, field: str) -> None:
        self.changed.append(field)

    def is_absent(self, value: object) -> bool:
        return value is None or (isinstance(value, str) and not value.strip())  # forms send an empty text for that
