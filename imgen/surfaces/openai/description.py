"""Description of the dialect for the reference, made from the Structs of its wire."""

from typing import NamedTuple

from msgspec import Struct

from imgen.services.core import Core
from imgen.surfaces.description import REF, Description, FailureRow, Schema, json_content, schemas_of
from imgen.surfaces.idempotency_headers import REPLAYED, once
from imgen.surfaces.openai import answers, examples, wire
from imgen.surfaces.openai.asked import EDITS, GENERATIONS, VARIATIONS
from imgen.surfaces.openai.failure_rows import FAILURES, REASONS
from imgen.surfaces.rest_description import FILE, RestWords, failures_of

TAG = "OpenAI images"
MODELS = "/v1/models"
RETRY_COUNT: Schema = {
    "name": "x-stainless-retry-count",
    "in": "header",
    "required": False,
    "schema": {"type": "integer", "minimum": 0},
    "description": "Sent by OpenAI's clients. From 1 on, the request goes on with the jobs of the one that it repeats.",
}
MAKING = (400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 502, 503, 504)
READING = (401, 403, 404, 405, 408, 429, 500, 503)
OVERVIEW = """\
**OpenAI images**, `/v1/*`: OpenAI's client libraries make pictures here, unmodified; their base URL is `/v1` of this server, \
their key one of yours. `POST /v1/images/generations` answers when the pictures are there. More: [OpenAI images](/docs/openai).
"""


class _Making(NamedTuple):
    """Route that makes pictures."""

    path: str
    name: str
    summary: str
    description: str
    json_request: type[Struct] | None
    form: type[Struct] | None
    files: tuple[str, ...] = ()


_MAKING = (
    _Making(
        GENERATIONS,
        "generate",
        "Make pictures",
        "Makes pictures of a prompt, and answers when they are there. The prompt is plain text.",
        wire.OpenAIGenerate,
        None,
    ),
    _Making(
        EDITS,
        "edit",
        "Change a picture",
        "Draws anew from a picture. The transparent pixels of `mask` are redrawn, all others kept; without one the whole is.",
        wire.OpenAIJsonEdit,
        wire.OpenAIEdit,
        ("image", "mask"),
    ),
    _Making(
        VARIATIONS,
        "vary",
        "Vary a picture",
        "Draws anew from a picture without a prompt.",
        None,
        wire.OpenAIVariations,
        ("image",),
    ),
)
_EVENTS = (answers.OpenAIPartialImage, answers.OpenAICompleted, answers.OpenAILost)


def describe(core: Core) -> Description:
    """Describes routes, bodies and failures, with examples from the running configuration."""
    url, words = core.settings.public_url, _words()
    paths = {one.path: {"post": _making(one, words)} for one in _MAKING}
    model = examples.model(core)
    listed = {"object": "list", "data": [model]}
    paths[MODELS] = {"get": _reading("models", "List models", answers.OpenAIModels, listed, words)}
    paths[MODELS + "/{model}"] = {"get": _reading("model", "Read a model", answers.OpenAIModel, model, words)}
    paths[MODELS + "/{model}"]["get"]["parameters"] = [
        {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}, "example": model["id"]}
    ]
    return Description(
        tag=TAG,
        about="Pictures for OpenAI's client libraries.",
        paths=paths,
        schemas=_schemas(),
        overview=OVERVIEW,
        summary=(
            f"OpenAI's client libraries work with the base URL {url}/v1 (/docs/openai).",
            f"They call `POST {url}/v1/images/generations` with `prompt`, which answers the pictures in base64.",
        ),
        failures=FAILURES,
        failures_intro='OpenAI images: `{"error": {"message", "type", "param", "code"}}`; the code is below.',
        failures_title="Errors of OpenAI images",
        page="openai",
        sections=("Make pictures with OpenAI's clients", "Change a picture", "Streams", "Waiting and retries"),
    )


def _schemas() -> dict[str, Schema]:
    requests = (
        wire.OpenAIGenerate,
        wire.OpenAIEdit,
        wire.OpenAIJsonEdit,
        wire.OpenAIVariations,
    )
    told = (answers.OpenAIImages, answers.OpenAIModels, answers.OpenAIModel, answers.OpenAIFailure, *_EVENTS)
    schemas = schemas_of((*requests, *told))
    for route in _MAKING:
        if route.form is not None:
            schemas[route.form.__name__] = _with_files(schemas[route.form.__name__], route.files)
    return schemas


def _with_files(form: Schema, files: tuple[str, ...]) -> Schema:
    """Returns the schema of a form with its files; the first one is required."""
    required = [*form.get("required", ()), files[0]]
    return {**form, "properties": {**dict.fromkeys(files, FILE), **form["properties"]}, "required": required}


def _making(route: _Making, words: RestWords) -> Schema:
    content: Schema = {}
    if route.json_request is not None:
        example = examples.generation() if route.form is None else examples.json_edit()
        content |= json_content(
            {"$ref": REF + route.json_request.__name__}, {route.name: {"summary": route.summary, "value": example}}
        )
    if route.form is not None:
        content["multipart/form-data"] = {"schema": {"$ref": REF + route.form.__name__}}
    example = examples.images(is_edit=route.form is not None)
    events = [{"$ref": REF + kind.__name__} for kind in (*_EVENTS, answers.OpenAIFailure)]
    return {
        **_head(route.name, route.summary),
        "description": f"{route.description} With `stream` the answer is `text/event-stream`.",
        "parameters": [RETRY_COUNT, once("")],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {
                "description": answers.OpenAIImages.__doc__,
                "headers": _headers() | REPLAYED,
                "content": json_content(
                    {"$ref": REF + answers.OpenAIImages.__name__},
                    {route.name: {"summary": route.summary, "value": example}},
                )
                | {"text/event-stream": {"schema": {"anyOf": events}}},
            },
            **failures_of(MAKING, words),
        },
    }


def _reading(name: str, summary: str, answer: type[Struct], example: Schema, words: RestWords) -> Schema:
    return {
        **_head(name, summary),
        "description": "The models of the catalog, and the names by which others can be pinned. Names of OpenAI's own image "
        "models are taken too: they mean the default model.",
        "responses": {
            "200": {
                "description": answer.__doc__,
                "headers": _headers(),
                "content": json_content(
                    {"$ref": REF + answer.__name__}, {name: {"summary": summary, "value": example}}
                ),
            },
            **failures_of(READING, words),
        },
    }


def _head(name: str, summary: str) -> Schema:
    return {"operationId": f"openai_{name}", "tags": [TAG], "summary": summary, "security": [{"key": []}]}


def _headers() -> Schema:
    return {name: {"$ref": f"#/components/headers/{name.replace('-', '')}"} for name in ("X-Request-Id", "RateLimit")}


def _words() -> RestWords:
    return RestWords(
        tag=TAG,
        prefix="openai",
        failure=answers.OpenAIFailure,
        failures=FAILURES,
        failure_example=_failure_example,
        reasons=REASONS,
        requests={},
        answers={},
        path_parameters={},
    )


def _failure_example(row: FailureRow) -> Schema:
    return {"error": {"message": row.when, "type": "invalid_request_error", "param": None, "code": row.text}}
