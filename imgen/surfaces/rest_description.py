"""Description of a REST surface for the reference, made from its table of routes, the Structs of its wire and its examples."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from imgen.surfaces.description import REF, FailureRow, Schema, json_content, schemas_of
from imgen.surfaces.idempotency_headers import REPLAYED, once
from imgen.surfaces.rest_route import RestRoute

ALWAYS = (401, 405, 408, 429, 500, 503)
"""Statuses of failures of every route."""
ONCE = (400, 409, 413, 422)
"""Statuses of failures of routes with idempotency keys: of a wrong key, of the body that it is for, and of repetitions."""
WAITING = (409, 429, 503)
"""Statuses with `Retry-After`."""
FILE = {"type": "string", "format": "binary"}


class RestWords(Struct, frozen=True, kw_only=True):
    """Words and examples of a surface, beside its table."""

    tag: str
    prefix: str
    """Beginning of the ids of its operations."""
    failure: type[Struct]
    """Answer to a request that failed."""
    failures: Sequence[FailureRow]
    failure_example: Callable[[FailureRow], Schema]
    reasons: Mapping[int, str]
    """Status of a failure → its meaning."""
    requests: Mapping[str, Schema]
    """Examples of requests by operation and name, as OpenAPI has them."""
    answers: Mapping[str, Mapping[int, Schema]]
    """An example of an answer by operation and status."""
    path_parameters: Mapping[str, Schema]
    query: Mapping[str, Schema] = {}


def paths_of(routes: Iterable[RestRoute], words: RestWords) -> dict[str, Schema]:
    """Describes the routes: path → operations by method."""
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, words)
    return paths


def schemas_of_routes(routes: Sequence[RestRoute], words: RestWords) -> dict[str, Schema]:
    """Returns the schemas of requests, answers and failures, by name."""
    kinds = [route.request for route in routes if route.request is not None]
    answers = [answer for route in routes for answer in route.answers.values()]
    return schemas_of(dict.fromkeys((*kinds, *answers, words.failure)))


def failures_of(statuses: Iterable[int], words: RestWords) -> Schema:
    """Describes failures by status, each with its codes as examples."""
    return {
        str(status): {
            "description": words.reasons[status],
            "content": json_content(
                {"$ref": REF + words.failure.__name__},
                {
                    row.text.lower(): {"summary": row.text, "value": words.failure_example(row)}
                    for row in words.failures
                    if row.status == status
                },
            ),
            "headers": _headers(status),
        }
        for status in sorted(set(statuses))
    }


def _operation(route: RestRoute, words: RestWords) -> Schema:
    described: Schema = {
        "operationId": f"{words.prefix}_{route.name}",
        "tags": [words.tag],
        "summary": route.summary,
        "description": f"{route.description}\n\n{route.caller}" if route.caller else route.description,
        "security": list(route.security),
        "parameters": _parameters(route, words),
        "responses": {
            **{str(status): _answer(route, status, words) for status in route.answers},
            **failures_of((*ALWAYS, *route.failures, *(ONCE if route.is_once else ())), words),
        },
    }
    if route.request is not None:
        files = {kind: {"schema": FILE} for kind in route.file_types}
        described["requestBody"] = {
            "required": route.needs_body,
            "content": json_content({"$ref": REF + route.request.__name__}, words.requests[route.name]) | files,
        }
    return described


def _parameters(route: RestRoute, words: RestWords) -> list[Schema]:
    in_path = [name for name in words.path_parameters if f"{{{name}}}" in route.path]
    return [
        *(
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, **words.path_parameters[name]}
            for name in in_path
        ),
        *({"name": name, "in": "query", "required": False, **words.query[name]} for name in route.query),
        *([once("")] if route.is_once else []),
    ]


def _answer(route: RestRoute, status: int, words: RestWords) -> Schema:
    answer = route.answers[status]
    example = words.answers[route.name][status]
    return {
        "description": answer.__doc__,
        "content": json_content(
            {"$ref": REF + answer.__name__}, {route.name: {"summary": route.summary, "value": example}}
        ),
        "headers": _headers(status) | (REPLAYED if route.is_once else {}),
    }


def _headers(status: int) -> Schema:
    names = (*(["Retry-After"] if status in WAITING else []), "X-Request-Id", "RateLimit")
    return {name: {"$ref": f"#/components/headers/{name.replace('-', '')}"} for name in names}
