"""Description of the authorization server for the reference."""

from typing import Any

from msgspec import Struct

from imgen.domain.oauth.clients import GRANT_TYPES, ClientMetadata
from imgen.domain.oauth.grants import RESOURCES
from imgen.services.core import Core
from imgen.surfaces.description import REF, Description, Schema, json_content, schemas_of
from imgen.surfaces.oauth import AUTHORIZATION_SERVER, REGISTER, REVOKE, TOKEN
from imgen.surfaces.oauth.forms import FORM
from imgen.surfaces.oauth.wire import OAuthFailure, RegisteredClient, ResourceMetadata, ServerMetadata, TokenAnswer
from imgen.surfaces.public_address import PROTECTED_RESOURCE

TAG = "OAuth 2.1"
OVERVIEW = """\
**OAuth 2.1**: applications that act for a person, on Forge and the tools for agents. They find the server by \
`/.well-known/oauth-protected-resource`, register or have a metadata document, and send the person to `/authorize` with PKCE \
(S256). More: [Connected applications](/docs/oauth).
"""
_CLIENT = {
    "client_id": "Id of the client, unless it is in the header.",
    "client_secret": "Secret of a confidential client, unless it is in the header.",
}
_TOKEN_FIELDS = {
    "grant_type": "The kind of grant.",
    "code": "With `authorization_code`: the code.",
    "code_verifier": "With `authorization_code`: the proof that the code is the sender's own.",
    "redirect_uri": "With `authorization_code`: where the code was sent to.",
    "refresh_token": "With `refresh_token`: the token.",
    "scope": "With `refresh_token`: fewer scopes for the access token.",
    "resource": "The resource that the access token is for.",
    **_CLIENT,
}
_REVOKE_FIELDS = {"token": "An access token, or a refresh token, which ends all that came of it.", **_CLIENT}
CLIENT_ID, REFRESH_TOKEN = "client_5f0c8f0b1c6e4d0f9a7be1f3a2c4d6e8", "imgr_Hq2mV8xT0bYc4dWf6gLk1A"
_EXAMPLES: dict[str, dict[str, Schema]] = {
    REGISTER: {
        "public": {
            "client_name": "Kite",
            "redirect_uris": ["https://app.example.com/callback"],
            "token_endpoint_auth_method": "none",
        }
    },
    TOKEN: {
        "authorization_code": {
            "grant_type": "authorization_code",
            "client_id": CLIENT_ID,
            "code": "imgc_7LkZAgq3Wf0v8hYxQ2d1mC",
            "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "redirect_uri": "https://app.example.com/callback",
        },
        "refresh_token": {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": REFRESH_TOKEN},
    },
    REVOKE: {"refresh_token": {"client_id": CLIENT_ID, "token": REFRESH_TOKEN}},
}
"""Path → examples of its bodies by name."""
_FAILURES = {
    400: "The request is wrong, or the code or token is not good any more.",
    401: "The client is unknown or has not proven itself.",
    405: "The method is another one.",
    408: "The request did not arrive completely in time.",
    413: "The request is too large.",
    429: "Too many requests.",
    500: "A fault of the server.",
    503: "A part of the server is down.",
}
"""Status → its meaning."""
_OF_METADATA = (405, 408, 500)
"""Statuses of failures of routes that say where the others are."""


def describe(_core: Core) -> Description:
    """Describes the endpoints that programs call."""
    metadata: dict[str, tuple[str, str, type[Struct]]] = {
        AUTHORIZATION_SERVER: ("server_metadata", "Find the endpoints", ServerMetadata),
        **{
            PROTECTED_RESOURCE + path: (
                f"resource_metadata{path.replace('/', '_')}",
                "Find the server",
                ResourceMetadata,
            )
            for path in RESOURCES
        },
    }
    token_form, revoke_form = _form(_TOKEN_FIELDS, "grant_type"), _form(_REVOKE_FIELDS, "token")
    token_form["properties"]["grant_type"]["enum"] = list(GRANT_TYPES)
    return Description(
        tag=TAG,
        about="Applications that act for a person, within what the person allowed.",
        paths={
            **{path: {"get": _operation(*row[:2], {200: row[2]})} for path, row in metadata.items()},
            REGISTER: {
                "post": _operation(
                    "register_client",
                    "Register an application",
                    {201: RegisteredClient},
                    json_content({"$ref": REF + ClientMetadata.__name__}, _examples(REGISTER)),
                )
            },
            TOKEN: {"post": _operation("token", "Get tokens", {200: TokenAnswer}, _form_content(token_form, TOKEN))},
            REVOKE: {"post": _operation("revoke", "Revoke a token", {200: None}, _form_content(revoke_form, REVOKE))},
        },
        schemas=schemas_of(
            (ClientMetadata, ServerMetadata, ResourceMetadata, RegisteredClient, TokenAnswer, OAuthFailure)
        ),
        overview=OVERVIEW,
        summary=("Applications act for people by OAuth 2.1 (/docs/oauth), with access tokens where a key is sent.",),
        page="oauth",
        sections=("Find the server", "Ask a person", "Get tokens"),
    )


def _operation(
    name: str, summary: str, answers: dict[int, type[Struct] | None], body: dict[str, Any] | None = None
) -> Schema:
    headers = {"X-Request-Id": {"$ref": "#/components/headers/XRequestId"}}
    failures = _FAILURES if body else {status: _FAILURES[status] for status in _OF_METADATA}
    told: dict[str, Any] = {
        str(status): {"description": text, "headers": headers}
        | {"content": json_content({"$ref": REF + OAuthFailure.__name__})}
        for status, text in failures.items()
    }
    for status in told.keys() & {"429", "503"}:
        told[status]["headers"] = headers | {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    for number, kind in answers.items():
        content = json_content({"$ref": REF + kind.__name__} if kind else {"type": "object"})
        about = (kind.__doc__ if kind else None) or "Done."
        told[str(number)] = {"description": about, "content": content, "headers": headers}
    return {
        "operationId": name,
        "tags": [TAG],
        "summary": summary,
        "security": [],
        **({"requestBody": {"required": True, "content": body}} if body else {}),
        "responses": told,
    }


def _examples(path: str) -> Schema:
    return {name: {"summary": name.replace("_", " "), "value": value} for name, value in _EXAMPLES[path].items()}


def _form_content(schema: Schema, path: str) -> Schema:
    return {FORM: {"schema": schema, "examples": _examples(path)}}


def _form(fields: dict[str, str], *needed: str) -> Schema:
    properties: dict[str, Any] = {name: {"type": "string", "description": text} for name, text in fields.items()}
    return {"type": "object", "properties": properties, "required": list(needed)}
