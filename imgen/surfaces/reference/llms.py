"""`/llms.txt` and `/llms-full.txt` (llmstxt.org): made from the OpenAPI document, the surfaces' descriptions and docs/."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from imgen.surfaces.description import REF, Description
from imgen.surfaces.reference import prose


def short(document: dict[str, Any], descriptions: Sequence[Description], pages: dict[str, prose.Page]) -> str:
    """Makes llms.txt: a few lines on calling the API, and links."""
    url = document["servers"][0]["url"]
    return "\n".join(
        [
            *_head(document),
            *(f"- {line}" for each in descriptions for line in each.summary),
            "",
            "## API",
            "",
            f"- [Everything in one file]({url}/llms-full.txt): every action, field, type, default, limit, answer and error",
            f"- [OpenAPI 3.1]({url}/openapi.json): the same for programs",
            f"- [Interactive reference]({url}/reference): the same for readers",
            *(
                [
                    "",
                    "## Docs",
                    "",
                    *(f"- [{page.title}]({url}/docs/{page.name}.md): {page.summary}" for page in pages.values()),
                ]
                if pages
                else []
            ),
            "",
        ]
    )


def full(document: dict[str, Any], descriptions: Sequence[Description], pages: dict[str, prose.Page]) -> str:
    """Makes llms-full.txt: everything needed to call the API."""
    schemas = document["components"]["schemas"]
    return "\n".join(
        [
            *_head(document),
            document["info"]["description"],
            *(line for each in descriptions for line in _operations(each, schemas)),
            *_answers(descriptions, schemas),
            *(line for each in descriptions for line in _failures(each)),
            *(line for each in descriptions for line in _prose(each, pages)),
            "",
        ]
    )


def _head(document: dict[str, Any]) -> list[str]:
    info = document["info"]
    return [f"# {info['title']} {info['version']}", "", f"> {info['summary']}", ""]


def _operations(description: Description, schemas: dict[str, Any]) -> Iterator[str]:
    if not description.operations:
        return
    yield f"\n## {description.operations_title}\n\n{description.operations_intro}"
    for operation in description.operations:
        schema = schemas[operation.request]
        yield f"\n### {operation.name}\n\n{schema['description']}\n"
        rows = {name: about for name, about in schema["properties"].items() if name != "action"}
        if rows:
            yield from _table(rows, schema["required"])
        yield f"\nRequest:\n\n```json\n{_json(operation.example)}\n```\n\nAnswer:\n"
        for example in operation.answers:
            yield f"```json\n{_json(example)}\n```"
        for one in operation.variants:
            yield f"\nAnother request, {one.about}, and its answer:\n"
            yield f"```json\n{_json(one.request)}\n```\n```json\n{_json(one.answer)}\n```"


def _answers(descriptions: Sequence[Description], schemas: dict[str, Any]) -> Iterator[str]:
    yield "\n## Answers\n\nFields of all answers; optional ones are marked with `?`.\n"
    requests = {operation.request for each in descriptions for operation in each.operations}
    for name, schema in schemas.items():
        if name in requests:
            continue
        yield f"\n### {name}\n\n{schema.get('description', '')}\n"
        for field, about in schema["properties"].items():
            mark = "" if field in schema.get("required", ()) else "?"
            words = about.get("description") or _either_description(about)
            yield f"- `{field}{mark}` ({_type(about)}){': ' + words if words else ''}"


def _failures(description: Description) -> Iterator[str]:
    if not description.failures:
        return
    yield f"\n## {description.failures_title}\n\n{description.failures_intro}\n"
    yield "| status | error | when | what to do |\n|---|---|---|---|"
    for row in description.failures:
        yield f"| {row.status} | `{row.text}` | {row.when} | {row.advice} |"


def _prose(description: Description, pages: dict[str, prose.Page]) -> Iterator[str]:
    page = pages.get(description.page)
    if page is not None:
        for title in description.sections:
            yield f"\n## {title}\n\n{prose.section(page, title)}"


def _table(rows: dict[str, dict[str, Any]], required: list[str]) -> Iterator[str]:
    yield "| field | type | default | limits | meaning |\n|---|---|---|---|---|"
    for name, about in rows.items():
        default = "required" if name in required else _json_line(about["default"]) if "default" in about else ""
        plain = {key: value for key, value in about.items() if key != "enum"}  # the limits have its values
        yield f"| `{name}` | {_type(plain)} | {default} | {_limits(about)} | {about['description']} |"


def _limits(about: dict[str, Any]) -> str:
    if "enum" in about:
        return ", ".join(map(_json_line, about["enum"]))
    if "minimum" in about:
        return f"{about['minimum']} to {about['maximum']}"
    return f"at most {about['maxLength']:,} characters" if "maxLength" in about else ""


def _type(about: dict[str, Any]) -> str:
    if "$ref" in about:
        return str(about["$ref"]).removeprefix(REF)
    if "anyOf" in about:
        return " or ".join(map(_type, about["anyOf"]))
    if "enum" in about:
        return " or ".join(map(_json_line, about["enum"]))
    if about.get("type") == "array":
        return f"list of {_type(about['items'])}" if about.get("items") else "list"
    if about.get("type") == "object" and "additionalProperties" in about:
        return f"object of {_type(about['additionalProperties'])}"
    types = about.get("type", "any")
    return " or ".join(types) if isinstance(types, list) else str(types)


def _either_description(about: dict[str, Any]) -> str:
    return next((part["description"] for part in about.get("anyOf", ()) if "description" in part), "")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _json_line(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"
