"""Description of the resolver for the reference, made from the Structs of its wire."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct, to_builtins

from imgen.domain.soft_binding import Algorithm
from imgen.services.core import Core
from imgen.services.recognition.resolution import MAX_RESULTS, NO_MANIFEST
from imgen.surfaces.description import REF, Description, FailureRow, Schema, json_content, schemas_of
from imgen.surfaces.provenance import documents, query
from imgen.surfaces.provenance.answers import (
    ResolverCapabilities,
    ResolverDiscovery,
    ResolverStatus,
    SoftBindingAlgorithms,
    SoftBindingMatch,
    SoftBindingMatches,
)
from imgen.surfaces.provenance.documents import PREFIX, WELL_KNOWN
from imgen.surfaces.provenance.failures import QueryTooLong, UnsupportedType
from imgen.surfaces.provenance.matches import PICTURE_TYPES
from imgen.surfaces.provenance.wire import SoftBindingQuery
from imgen.surfaces.rest_description import FILE
from imgen.surfaces.rest_failures import ADVICE, CORRECT, REASONS, WAIT

TAG = "Provenance"
FAILURE = "Failure"
"""Schema of `{"error": text}`, which the action API describes."""
MANIFEST_ID = "urn:c2pa:9f2b8d0c-3f54-4a3e-9a53-2a1d6f1c7b0e"
OVERVIEW = """\
**Provenance**, `/c2pa/v1/*`: the Soft Binding Resolution API of C2PA 2.4. It finds the Content Credentials of a picture whose \
metadata was stripped, by its watermark, its fingerprint or its file. More: [provenance](/docs/provenance).
"""
FAILURES = (
    FailureRow(400, "value is required", "A parameter is missing or wrong; or the file is no picture.", CORRECT),
    FailureRow(401, "Unauthorized", REASONS[401], "Send a key as a Bearer token."),
    FailureRow(403, "API key may not do this.", "The key lacks the scope `read`.", "Use another key."),
    FailureRow(404, NO_MANIFEST, "Nobody whose pictures the caller finds has it, or it is not kept.", ADVICE[404]),
    FailureRow(405, "Method not allowed", REASONS[405], ADVICE[405]),
    FailureRow(408, "Request timed out", REASONS[408], ADVICE[408]),
    FailureRow(413, "Request too large", REASONS[413], "Send a smaller picture."),
    FailureRow(414, str(QueryTooLong()), "The query is longer than 2,048 bytes.", CORRECT),
    FailureRow(415, str(UnsupportedType()), "The media type is another one, such as a form's.", CORRECT),
    FailureRow(429, "Rate limit exceeded", "Too many requests in a minute, or too many pictures are looked at.", WAIT),
    FailureRow(500, "Internal error", REASONS[500], ADVICE[500]),
    FailureRow(503, "Service unavailable", REASONS[503], WAIT),
)
"""Failures with examples of their texts."""
_ALWAYS = (405, 500, 503)
_ASKING = (400, 401, 403, 408, 414, 429)


class _Route(NamedTuple):
    """Route in words."""

    name: str
    """Id of the operation in the specification, or one like it."""
    summary: str
    about: str
    failures: tuple[int, ...]
    answer: type[Struct] | None
    """None: a manifest store."""
    example: object = None
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None


def describe(core: Core) -> Description:
    """Describes routes, bodies and failures; where the resolver is off, that it is."""
    if core.settings.provenance.resolution == "off":
        return Description(tag=TAG, about="The Soft Binding Resolution API is off.", paths={}, schemas={})
    is_public = core.settings.provenance.resolution == "public"
    url = core.settings.public_url
    return Description(
        tag=TAG,
        about="Finds Content Credentials of pictures whose metadata was stripped (C2PA Soft Binding Resolution API).",
        paths={
            path: {method: _operation(route, is_public=is_public) for method, route in methods.items()}
            for path, methods in _routes(core).items()
        },
        schemas=schemas_of(
            (
                SoftBindingQuery,
                SoftBindingMatches,
                SoftBindingAlgorithms,
                ResolverCapabilities,
                ResolverStatus,
                ResolverDiscovery,
            )
        ),
        overview=OVERVIEW,
        summary=(
            f"C2PA readers find the resolver at {url}{WELL_KNOWN} (/docs/provenance).",
            f"`POST {url}{PREFIX}/matches/byContent` with a picture as the body answers the ids of its manifests.",
        ),
        failures=FAILURES,
        failures_intro='Provenance: `{"error": "<text>"}`.',
        failures_title="Errors of provenance",
        page="provenance",
        sections=("Find a manifest", "Who finds what", "Values"),
    )


def _routes(core: Core) -> Mapping[str, Mapping[str, _Route]]:
    """Returns the routes by path and method, with examples from the running configuration."""
    names = {algorithm: name for name, algorithm in reversed(query.algorithms(core).items())}
    mark = {"alg": names[Algorithm.WATERMARK], "value": "OWYyYjhkMGMzZjU0"}
    found = SoftBindingMatches(matches=(SoftBindingMatch(manifest_id=MANIFEST_ID, similarity_score=100),))
    at_most = {
        "name": "maxResults", "in": "query", "required": False,
        "description": f"Most matches; more than {MAX_RESULTS} count as {MAX_RESULTS}.",
        "schema": {"type": "integer", "minimum": 1, "default": query.DEFAULT_RESULTS},
    }  # fmt: skip
    alg = _text("alg", "Algorithm, as in the assertion.", mark["alg"])
    return {
        f"{PREFIX}/matches/byBinding": {
            "get": _Route(
                name="queryByBinding",
                summary="Find manifests by a value",
                about="Finds the manifests of pictures with a watermark, or with a fingerprint at most 31 bits away.",
                parameters=(alg | {"required": True}, _text("value", "Its value.", mark["value"]) | {"required": True}, at_most),
                failures=_ASKING,
                answer=SoftBindingMatches,
                example=found,
            ),
            "post": _Route(
                name="queryByLargeBinding",
                summary="Find manifests by a value in the body",
                about="The same as with GET, for values that are too long for a query.",
                parameters=(at_most,),
                body=json_content(
                    {"$ref": REF + SoftBindingQuery.__name__}, {"watermark": {"summary": "A watermark", "value": mark}}
                ),
                failures=(*_ASKING, 413),
                answer=SoftBindingMatches,
                example=found,
            ),
        },
        f"{PREFIX}/matches/byContent": {
            "post": _Route(
                name="queryByContent",
                summary="Find manifests by a picture",
                about="Looks for the watermark in a picture, the body, and for pictures like it. Takes a second or more.",
                parameters=(
                    _text("alg", "The one algorithm to look it up by; left out: all.", mark["alg"]),
                    _text("hintAlg", "Algorithm of `hintValue`; one of others is ignored.", mark["alg"]),
                    _text("hintValue", "Value that is known besides; it is looked up, too.", mark["value"]),
                    at_most,
                ),
                body={kind: {"schema": FILE} for kind in PICTURE_TYPES},
                failures=(*_ASKING, 413, 415),
                answer=SoftBindingMatches,
                example=found,
            )
        },
        f"{PREFIX}/manifests/{{manifest_id}}": {
            "get": _Route(
                name="getManifestById",
                summary="Read a manifest store",
                about="Returns the manifest store of a picture, by the id of its active manifest.",
                parameters=(
                    _text("manifest_id", "Its label; it may have slashes.", MANIFEST_ID) | {"in": "path", "required": True},
                    {
                        "name": "returnActiveManifest", "in": "query", "required": False,
                        "description": "Leave out the manifests of ingredients.",
                        "schema": {"type": "boolean", "default": False},
                    },
                ),
                failures=(*_ASKING, 404),
                answer=None,
            )
        },
        documents.ALGORITHMS: {
            "get": _Route(
                name="getSupportedBindings",
                summary="List the algorithms",
                about="Lists the algorithms that queries may name.",
                failures=(),
                answer=SoftBindingAlgorithms,
                example=documents.algorithms_of(core),
            )
        },
        documents.CAPABILITIES: {
            "get": _Route(
                name="getServiceCapabilities",
                summary="List the capabilities",
                about="Lists the optional parts of the API that are there.",
                failures=(),
                answer=ResolverCapabilities,
                example=documents.CAPABILITIES_ANSWER,
            )
        },
        documents.STATUS: {
            "get": _Route(
                name="getServiceStatus",
                summary="Ask for the status",
                about="Asks database and object store, at most every two seconds.",
                failures=(),
                answer=ResolverStatus,
                example=ResolverStatus(status="ok", timestamp="2026-11-27T09:15:00Z"),
            )
        },
        WELL_KNOWN: {
            "get": _Route(
                name="getWellKnown",
                summary="Find the resolver",
                about="Tells the addresses of the resolver.",
                failures=(),
                answer=ResolverDiscovery,
                example=documents.discovery_of(core.settings.public_url),
            )
        },
    }  # fmt: skip


def _text(name: str, about: str, example: str) -> Schema:
    """Returns a text parameter of the query."""
    return {
        "name": name, "in": "query", "required": False, "description": about, "schema": {"type": "string"},
        "example": example,
    }  # fmt: skip


def _operation(route: _Route, *, is_public: bool) -> Schema:
    by_key: list[Schema] = [{"key": []}, *([{}] if is_public else [])]
    described: Schema = {
        "operationId": route.name,
        "tags": [TAG],
        "summary": route.summary,
        "description": route.about,
        "security": by_key if route.failures else [{}],
        "parameters": list(route.parameters),
        "responses": {
            "200": {
                "description": "Manifest store." if route.answer is None else route.answer.__doc__,
                "headers": _headers(200, is_counted=bool(route.failures)),
                "content": _content(route),
            },
            **{
                str(row.status): {
                    "description": row.when,
                    "headers": _headers(row.status, is_counted=bool(route.failures)),
                    "content": json_content(
                        {"$ref": REF + FAILURE},
                        {f"{route.name}_{row.status}": {"summary": row.text, "value": {"error": row.text}}},
                    ),
                }
                for row in FAILURES
                if row.status in (*_ALWAYS, *route.failures)
            },
        },
    }
    return described | ({} if route.body is None else {"requestBody": {"required": True, "content": route.body}})


def _content(route: _Route) -> Schema:
    if route.answer is None:
        return {"application/c2pa": {"schema": FILE}}
    example = {route.name: {"summary": route.summary, "value": to_builtins(route.example)}}
    return json_content({"$ref": REF + route.answer.__name__}, example)


def _headers(status: int, *, is_counted: bool) -> Schema:
    names = (*(["Retry-After"] if status in (429, 503) else []), "X-Request-Id", *(["RateLimit"] if is_counted else []))
    return {name: {"$ref": f"#/components/headers/{name.replace('-', '')}"} for name in names}
