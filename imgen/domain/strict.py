"""Strict reading of a request: the first wrong value is an error with the field's name, and nothing is repaired.

For dialects that refuse; the fields, their kinds and limits are those that repair.py repairs by.
"""

import math
from collections.abc import Container
from typing import NoReturn

from imgen.domain.catalog import Catalog
from imgen.domain.errors import InvalidField
from imgen.domain.field_values import FieldReader
from imgen.domain.prompt import Parsed
from imgen.domain.request import FIELDS, GenerateRequest, ResolvedRequest
from imgen.domain.resolution import resolve_with


def resolve_strictly(
    request: GenerateRequest,
    parsed: Parsed,
    catalog: Catalog,
    rulesets: Container[str],
    *,
    max_prompt_chars: int,
    open_jobs: int = 0,
) -> ResolvedRequest:
    """Reads every field, each of which may be left out but not wrong.

    Args:
        request: as it was sent; None: left out.
        parsed: its prompt, parsed as the dialect has it: `prompt.parse` or `prompt.plain`.
        catalog: models and characters.
        rulesets: names of the configured ones.
        max_prompt_chars: limit of `negative`.
        open_jobs: limit of the tenant's plan, 0: none; `n` may not be more.

    Raises:
        InvalidField: a value is of another JSON type, none of the choices, outside its range, too long, or has no effect without
            a field that was left out.
        InvalidCharacter: the chosen model does not have the prompt's character.
    """
    for name, about in FIELDS.items():
        _check_type(name, getattr(request, name), about.schema["type"])
    reader = _Refusal()
    reader.note_lost("prompt", request.prompt or "")
    reader.note_lost("negative", request.negative or "")
    if len(request.negative or "") > max_prompt_chars:
        raise InvalidField("negative")
    return resolve_with(
        reader, request, parsed, catalog, rulesets, sizes_of=lambda model: model.all_sizes, open_jobs=open_jobs
    )


class _Refusal(FieldReader):
    """Reader that refuses what another value would have to stand for."""

    def wrong(self, field: str) -> NoReturn:
        raise InvalidField(field)

    def is_absent(self, value: object) -> bool:
        return value is None


def _check_type(name: str, value: object, json_type: str) -> None:
    """Checks the JSON type of a value, as JSON Schema has it: 5.0 is an integer.

    Raises:
        InvalidField: it is of another one.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    is_of_type = {
        "string": isinstance(value, str) or callable(value),  # a picture is a function that reads it
        "boolean": isinstance(value, bool),
        "number": is_number,
        "integer": is_number and float(value).is_integer(),  # type: ignore[arg-type]
    }
    if value is not None and not is_of_type[json_type]:
        raise InvalidField(name)
