"""Description of a surface: its part of the OpenAPI document, and the tables of llms-full.txt."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

REF = "#/components/schemas/"
Schema = dict[str, Any]


class Variant(NamedTuple):
    """Further example of a request: another way to use it."""

    name: str
    about: str
    """One line."""
    request: Schema
    answer: Schema


class Operation(Struct, frozen=True, kw_only=True):
    """Request of a surface."""

    name: str
    request: str
    """Name of the schema of its body."""
    example: Schema
    answers: tuple[Schema, ...]
    """An example for each kind of answer."""
    variants: tuple[Variant, ...] = ()


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
        return self.status in (409, 429, 503)


class Description(Struct, frozen=True, kw_only=True):
    """Description of one surface for the reference."""

    tag: str
    about: str
    """One sentence under the tag."""
    paths: dict[str, Schema]
    schemas: dict[str, Schema]
    """Schemas by name: requests, then answers."""
    webhooks: dict[str, Schema] = {}
    """Path items of the requests that are sent to addresses of tenants, by event."""
    webhook_data: str = ""
    """Schema of the data of webhooks of its own jobs, in place of the usual one; empty: it has none."""
    overview: str = ""
    """Markdown for the head of the document."""
    summary: tuple[str, ...] = ()
    """Lines of llms.txt."""
    operations: tuple[Operation, ...] = ()
    operations_title: str = ""
    operations_intro: str = ""
    failures: tuple[FailureRow, ...] = ()
    failures_intro: str = ""
    failures_title: str = "Errors"
    page: str = ""
    """Page of docs/, of which llms-full.txt repeats some sections."""
    sections: tuple[str, ...] = ()


def schemas_of(answers: Iterable[type[Struct]]) -> dict[str, Schema]:
    """Returns the schemas of Structs and of all nested Structs, by name."""
    schemas = msgspec.json.schema_components(tuple(answers), ref_template=REF + "{name}")[1]
    return {name: _with_types(schema) for name, schema in schemas.items()}


def _with_types(schema: Any) -> Any:
    """Writes types as readers of OpenAPI documents expect: enumerated strings have theirs, alternatives of types are a list."""
    if isinstance(schema, list):
        return [_with_types(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    typed = {key: _with_types(part) for key, part in schema.items()}
    values, either, parts = typed.get("enum"), typed.get("anyOf"), typed.pop("prefixItems", None)
    if parts is not None:  # a tuple; the interactive reference takes a list of a fixed length alone
        typed["items"] = parts[0] if all(part == parts[0] for part in parts) else {"anyOf": parts}
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return {"type": "string"} | typed
    if isinstance(either, list) and all(set(part) == {"type"} for part in either):
        del typed["anyOf"]
        return {"type": [part["type"] for part in either]} | typed
    return typed


def event_schema(name: str, data: Schema) -> Schema:
    """Returns the schema of an event of a stream, as its readers get it: OpenAPI 3.1 has none for the whole of a stream."""
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"type": "string", "const": name},
            "id": {"type": "string", "description": "Its place in the stream."},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": data},
        },
    }


def json_content(schema: Schema, examples: Schema | None = None) -> Schema:
    """Returns the OpenAPI `content` of a JSON body."""
    return {"application/json": {"schema": schema} | ({} if examples is None else {"examples": examples})}
