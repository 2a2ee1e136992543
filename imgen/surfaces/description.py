"""Description of a surface: its part of the OpenAPI document, and the tables of llms-full.txt."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

REF = "#/components/schemas/"
Schema = dict[str, Any]


class Operation(Struct, frozen=True, kw_only=True):
    """Request of a surface."""

    name: str
    request: str
    """Name of the schema of its body."""
    example: Schema
    answers: tuple[Schema, ...]
    """An example for each kind of answer."""


class FailureRow(NamedTuple):
    """Failure of a surface."""

    status: int
    text: str
    when: str
    advice: str
    """Advice to the caller."""

    @property
    def has_retry_after(self) -> bool:
        """Returns whether the answer has a `Retry-After` header."""
        return self.status in (429, 503)


class Description(Struct, frozen=True, kw_only=True):
    """Description of one surface for the reference."""

    tag: str
    about: str
    """One sentence under the tag."""
    paths: dict[str, Schema]
    schemas: dict[str, Schema]
    """Schemas by name: requests, then answers."""
    overview: str = ""
    """Markdown for the head of the document."""
    summary: tuple[str, ...] = ()
    """Lines of llms.txt."""
    operations: tuple[Operation, ...] = ()
    operations_title: str = ""
    operations_intro: str = ""
    failures: tuple[FailureRow, ...] = ()
    failures_intro: str = ""
    page: str = ""
    """Page of docs/, of which llms-full.txt repeats some sections."""
    sections: tuple[str, ...] = ()


def schemas_of(answers: Iterable[type[Struct]]) -> dict[str, Schema]:
    """Returns the schemas of Structs and of all nested Structs, by name."""
    return msgspec.json.schema_components(tuple(answers), ref_template=REF + "{name}")[1]


def json_content(schema: Schema, examples: Schema | None = None) -> Schema:
    """Returns the OpenAPI `content` of a JSON body."""
    return {"application/json": {"schema": schema} | ({} if examples is None else {"examples": examples})}
