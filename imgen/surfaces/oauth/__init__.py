"""Authorization server of OAuth 2.1: metadata, registration, tokens. People allow applications at `/authorize`, a page.

The endpoints are ours and not those of the `mcp` package: its server takes no client of HTTP Basic without a `client_id` in the
form and no public client's revocation, lists no `none` among its methods, and sends no `iss`. authlib has no server for ASGI.
"""

from collections.abc import Awaitable, Callable

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope

from imgen.asgi.endpoint import Answer, Endpoint, json_answer
from imgen.domain.errors import ImgenError
from imgen.domain.oauth.grants import RESOURCES
from imgen.services.core import Core
from imgen.surfaces.description import Description
from imgen.surfaces.oauth import endpoints, failures, forms
from imgen.surfaces.oauth.wire import ResourceMetadata, ServerMetadata
from imgen.surfaces.public_address import PROTECTED_RESOURCE, base_of
from imgen.surfaces.surface import Surface

AUTHORIZATION_SERVER = "/.well-known/oauth-authorization-server"
REGISTER, TOKEN, REVOKE = "/register", "/token", "/revoke"
METADATA_HEADERS = {"Cache-Control": "public, max-age=60", "Vary": "Host"}
Handler = Callable[[Core, Scope, Receive], Awaitable[Answer]]


def routes(core: Core) -> list[BaseRoute]:
    """Returns the routes of the surface."""
    calls: dict[str, Handler] = {REGISTER: endpoints.register, TOKEN: endpoints.token, REVOKE: endpoints.revoke}
    return [
        Route(AUTHORIZATION_SERVER, _endpoint(core, server_metadata), methods=["GET"]),
        *(Route(PROTECTED_RESOURCE + path, _endpoint(core, resource_metadata), methods=["GET"]) for path in RESOURCES),
        *(Route(path, _endpoint(core, handler), methods=["POST"]) for path, handler in calls.items()),
    ]


async def server_metadata(core: Core, scope: Scope, _receive: Receive) -> Answer:
    """Answers the metadata of the authorization server; its issuer is the address that the client uses."""
    base = base_of(core.settings, scope)
    told = ServerMetadata(
        issuer=base,
        authorization_endpoint=base + "/authorize",
        token_endpoint=base + TOKEN,
        registration_endpoint=base + REGISTER,
        revocation_endpoint=base + REVOKE,
        service_documentation=base + "/docs",
    )
    return json_answer(told, 200, METADATA_HEADERS)


async def resource_metadata(core: Core, scope: Scope, _receive: Receive) -> Answer:
    """Answers the metadata of a resource, the one whose path follows in the path."""
    base, path = base_of(core.settings, scope), scope["path"].removeprefix(PROTECTED_RESOURCE)
    told = ResourceMetadata(
        resource=base + path,
        authorization_servers=(base,),
        resource_name="Imgen",
        resource_documentation=base + "/docs",
    )
    return json_answer(told, 200, METADATA_HEADERS)


def describe(core: Core) -> Description:
    """Describes the surface for the reference."""
    from imgen.surfaces.oauth import description

    return description.describe(core)


def _endpoint(core: Core, handler: Handler) -> Endpoint:
    async def answer(scope: Scope, receive: Receive) -> Answer:
        try:
            return await handler(core, scope, receive)
        except ImgenError as exc:
            return failures.failure(exc, is_basic=forms.is_basic(scope))

    return Endpoint(answer)


SURFACE = Surface(
    prefixes=(AUTHORIZATION_SERVER, PROTECTED_RESOURCE, REGISTER, TOKEN, REVOKE),
    routes=routes,
    error=failures.refusal,
    describe=describe,
)
