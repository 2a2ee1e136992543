"""OpenAPI 3.1 document: the descriptions of all surfaces, merged."""

from collections.abc import Sequence
from typing import Any

from imgen import __version__
from imgen.domain.principal import GENERATE, READ
from imgen.services.core import Core
from imgen.surfaces.description import REF, Description, Schema
from imgen.surfaces.session_cookie import COOKIE


def document(core: Core, descriptions: Sequence[Description]) -> dict[str, Any]:
    """Makes the document as plain values."""
    url = core.settings.public_url
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Imgen",
            "version": __version__,
            "summary": "Reviewed, branded, watermarked, fingerprinted and signed pictures from one JSON request.",
            "description": "\n".join(each.overview for each in descriptions if each.overview),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": url}],
        "security": [{"key": []}],
        "tags": [{"name": each.tag, "description": each.about} for each in descriptions],
        "externalDocs": {"url": f"{url}/docs", "description": "The documentation"},
        "paths": {path: methods for each in descriptions for path, methods in each.paths.items()},
        "webhooks": {event: item for each in descriptions for event, item in each.webhooks.items()},
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `imgen_` or `imgf_` and 64 hex digits.",
                },
                "x_api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
                "oauth": {
                    "type": "oauth2",
                    "description": "An access token of an application that a person allowed.",
                    "flows": {
                        "authorizationCode": {
                            "authorizationUrl": f"{url}/authorize",
                            "tokenUrl": f"{url}/token",
                            "refreshUrl": f"{url}/token",
                            "scopes": {GENERATE: "Make pictures.", READ: "See jobs, pictures and use."},
                        }
                    },
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": "Cookie of a person who signed in at `/sign-in`.",
                },
                "csrf": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-csrftoken",
                    "description": "With a session, for changes: the value of the cookie `csrftoken`.",
                },
            },
            "schemas": _schemas(descriptions),
            "headers": {
                "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
                "XRequestId": {
                    "description": "Id of the request, as in the server's log.",
                    "schema": {"type": "string"},
                },
                "RateLimit": {
                    "description": "Where the plan has a rate: requests that remain (`r`), and seconds until more are "
                    "allowed (`t`).",
                    "schema": {"type": "string"},
                    "example": '"default";r=97;t=41',
                },
            },
        },
    }


def _schemas(descriptions: Sequence[Description]) -> dict[str, Schema]:
    """Merges the schemas; the data of an event may be that of any surface that has its own."""
    schemas = {name: schema for each in descriptions for name, schema in each.schemas.items()}
    own = [{"$ref": REF + each.webhook_data} for each in descriptions if each.webhook_data]
    for item in [item for each in descriptions for item in each.webhooks.values()]:
        content = item["post"]["requestBody"]["content"]["application/json"]
        name = content["schema"]["$ref"].removeprefix(REF)
        properties = schemas[name]["properties"]
        schemas[name] = schemas[name] | {"properties": properties | {"data": {"anyOf": [properties["data"], *own]}}}
    return schemas
