"""Description of a surface: its part of the OpenAPI document, and the tables that llms-full.txt shows beside it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

REF = "#/components/schemas/"
Schema = dict[str, Any]


class Operation(Struct, frozen=True, kw_only=True):
    """One request that a surface takes."""

    name: str
    request: str
    """Name of the schema of its body."""
    example: Schema
    answers: tuple[Schema, ...]
    """An example for each kind of answer."""


class FailureRow(NamedTuple):
    """One answer that is no success."""

    status: int
    text: str
    when: str
    advice: str
    """Advice to the caller."""

    @property
    def has_retry_after(self) -> bool:
        """Whether the answer says when to try again."""
        return self.status in (429, 503)


class Description(Struct, frozen=True, kw_only=True):
    """Everything the reference says about one surface."""

    tag: str
    about: str
    """One sentence under the tag."""
    paths: dict[str, Schema]
    schemas: dict[str, Schema]
    """By name: requests first, then answers."""
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
    """Returns the schemas of Structs and of all Structs in them, by name."""
    return msgspec.json.schema_components(tuple(answers), ref_template=REF + "{name}")[1]


def json_content(schema: Schema, examples: Schema | None = None) -> Schema:
    """Returns the OpenAPI `content` of a JSON body."""
    return {"application/json": {"schema": schema} | ({} if examples is None else {"examples": examples})}
