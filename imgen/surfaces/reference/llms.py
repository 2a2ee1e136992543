"""`/llms.txt` and `/llms-full.txt` (llmstxt.org): made of the OpenAPI document and of docs/, and of nothing else."""

import json
from collections.abc import Iterator
from typing import Any

from imgen.surfaces.reference import prose
from imgen.surfaces.reference.actions import ACTIONS, POLL_EVERY_S
from imgen.surfaces.reference.failures import FAILURES
from imgen.surfaces.reference.openapi import AT, request_name

PROSE = ("Requests and answers", "Prompts", "The cache", "Polling", "From a browser", "Not there yet")
"""Sections of the Action API's page that say what no schema can."""


def short(document: dict[str, Any], pages: dict[str, prose.Page]) -> str:
    """What this is, and where to read on."""
    url = document["servers"][0]["url"]
    return "\n".join(
        [
            *_head(document),
            f"- One address: `POST {url}/api/v2` with `Authorization: Bearer <key>` and a JSON object.",
            f"- Its `action` is one of {', '.join(f'`{action.name}`' for action in ACTIONS)}.",
            f"- To make a picture send `generate`, then `status` with its id every {POLL_EVERY_S} seconds until it has ended.",
            "",
            "## API",
            "",
            f"- [Everything in one file]({url}/llms-full.txt): every action, field, type, default, limit, answer and error",
            f"- [OpenAPI 3.1]({url}/openapi.json): the same for programs",
            f"- [Interactive reference]({url}/reference): the same for people",
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


def full(document: dict[str, Any], pages: dict[str, prose.Page]) -> str:
    """All that is needed to call the API."""
    return "\n".join(
        [
            *_head(document),
            document["info"]["description"],
            *_actions(document),
            *_meta(document),
            *_errors(),
            *_prose(pages.get(prose.FIRST)),
        ]
    )


def _head(document: dict[str, Any]) -> list[str]:
    info = document["info"]
    return [f"# {info['title']} {info['version']}", "", f"> {info['summary']}", ""]


def _actions(document: dict[str, Any]) -> Iterator[str]:
    content = document["paths"]["/api/v2"]["post"]
    url = document["servers"][0]["url"]
    sent = content["requestBody"]["content"]["application/json"]["examples"]
    told = content["responses"]["200"]["content"]["application/json"]["examples"]
    schemas = document["components"]["schemas"]
    yield "## Actions"
    yield f"\nAll go to `POST {url}/api/v2` with the headers `Authorization: Bearer <key>` and `Content-Type: application/json`."
    yield "A field that may be left out may be null as well."
    for action in ACTIONS:
        schema = schemas[request_name(action)]
        yield f"\n### {action.name}\n\n{schema['description']}\n"
        rows = {name: about for name, about in schema["properties"].items() if name != "action"}
        if rows:
            yield from _table(rows, schema["required"])
        yield f"\nRequest:\n\n```json\n{_json(sent[action.name]['value'])}\n```\n\nAnswer:\n"
        for example in (value["value"] for name, value in told.items() if name.split("_")[0] == action.name):
            yield f"```json\n{_json(example)}\n```"


def _meta(document: dict[str, Any]) -> Iterator[str]:
    yield "\n## Answers\n\nFields of all answers; those that are not always there are marked with `?`.\n"
    schemas = document["components"]["schemas"]
    asked = {request_name(action) for action in ACTIONS}
    for name, schema in schemas.items():
        if name in asked:
            continue
        yield f"\n### {name}\n\n{schema.get('description', '')}\n"
        for field, about in schema["properties"].items():
            mark = "" if field in schema.get("required", ()) else "?"
            words = about.get("description") or _either_description(about)
            yield f"- `{field}{mark}` ({_type(about)}){': ' + words if words else ''}"


def _errors() -> Iterator[str]:
    yield '\n## Errors\n\nEach is `{"error": "<text>"}`. 429 and 503 have a `Retry-After` header with whole seconds.\n'
    yield "| status | error | when | what to do |\n|---|---|---|---|"
    for row in FAILURES:
        yield f"| {row.status} | `{row.text}` | {row.when} | {row.then} |"


def _prose(page: prose.Page | None) -> Iterator[str]:
    if page is not None:
        for title in PROSE:
            yield f"\n## {title}\n\n{prose.section(page, title)}"
    yield ""


def _table(rows: dict[str, dict[str, Any]], required: list[str]) -> Iterator[str]:
    yield "| field | type | default | limits | what it is |\n|---|---|---|---|---|"
    for name, about in rows.items():
        default = "required" if name in required else _json_line(about["default"]) if "default" in about else ""
        yield f"| `{name}` | {_type(about)} | {default} | {_limits(about)} | {about['description']} |"


def _limits(about: dict[str, Any]) -> str:
    if "enum" in about:
        return ", ".join(map(_json_line, about["enum"]))
    if "minimum" in about:
        return f"{about['minimum']} to {about['maximum']}"
    return f"at most {about['maxLength']:,} characters" if "maxLength" in about else ""


def _type(about: dict[str, Any]) -> str:
    if "$ref" in about:
        return str(about["$ref"]).removeprefix(AT)
    if "anyOf" in about:
        return " or ".join(map(_type, about["anyOf"]))
    if "enum" in about and "type" not in about:
        return " or ".join(map(_json_line, about["enum"]))
    if about.get("type") == "array":
        return f"list of {_type(about['items'])}" if about.get("items") else "list"
    if about.get("type") == "object" and "additionalProperties" in about:
        return f"object of {_type(about['additionalProperties'])}"
    return str(about.get("type", "any"))


def _either_description(about: dict[str, Any]) -> str:
    return next((part["description"] for part in about.get("anyOf", ()) if "description" in part), "")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _json_line(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"
