"""Endpoints of the authorization server that programs call: registration, token, revocation."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from msgspec import UNSET, Struct
from starlette.types import Receive, Scope

from imgen.asgi.endpoint import Answer, json_answer, read_body, remote_ip
from imgen.domain.errors import (
    InvalidClientMetadata,
    InvalidGrant,
    OAuthError,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from imgen.domain.oauth.clients import AUTHORIZATION_CODE, REFRESH_TOKEN, RESPONSE_TYPES, Client, ClientMetadata
from imgen.domain.oauth.grants import ACCESS_TOKEN_S, parse_resource
from imgen.services.core import Core
from imgen.services.oauth import clients, tokens
from imgen.services.oauth.tokens import Issued
from imgen.surfaces.oauth import forms
from imgen.surfaces.oauth.failures import NO_STORE
from imgen.surfaces.oauth.wire import RegisteredClient, TokenAnswer
from imgen.surfaces.public_address import base_of


class Call(Struct, frozen=True, kw_only=True):
    """Call of the token endpoint by a client that has proven itself."""

    client: Client
    form: Mapping[str, str]
    resource: str | None
    """One of RESOURCES; None: not said."""

    def field(self, name: str) -> str:
        """Returns a field that is needed.

        Raises:
            OAuthError: it is missing.
        """
        if not self.form.get(name):
            raise OAuthError(f"{name} is missing")
        return self.form[name]


async def register(core: Core, scope: Scope, receive: Receive) -> Answer:
    """Registers a client: 201 with all that was registered."""
    body = await read_body(scope, receive, max_bytes=forms.MAX_BYTES)
    try:
        metadata = msgspec.json.decode(body, type=ClientMetadata)
    except msgspec.ValidationError as exc:
        raise InvalidClientMetadata(str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidClientMetadata("The body is no JSON object") from exc
    client, secret = await clients.register(core, metadata, remote_ip=remote_ip(scope))
    told = RegisteredClient(
        client_id=client.id,
        client_id_issued_at=int(client.created_at),
        redirect_uris=client.redirect_uris,
        token_endpoint_auth_method=client.auth_method,
        grant_types=client.grant_types,
        response_types=RESPONSE_TYPES,
        scope=" ".join(client.scopes),
        client_name=client.name or UNSET,
        client_uri=client.uri or UNSET,
        application_type=metadata.application_type if metadata.application_type in ("web", "native") else UNSET,
        client_secret=secret or UNSET,
        client_secret_expires_at=0 if secret else UNSET,
    )
    return json_answer(told, 201, NO_STORE)


async def token(core: Core, scope: Scope, receive: Receive) -> Answer:
    """Gives tokens for a code or a refresh token."""
    form = await forms.read_form(scope, receive)
    client = await clients.authenticate(core, *forms.client_proof(scope, form))
    grant_type = form.get("grant_type", "")
    if not grant_type:
        raise OAuthError("grant_type is missing")
    if grant_type not in GRANTS:
        raise UnsupportedGrantType
    if grant_type not in client.grant_types:
        raise UnauthorizedClient
    resource = parse_resource(form["resource"], base_of(core.settings, scope)) if "resource" in form else None
    issued = await GRANTS[grant_type](core, Call(client=client, form=form, resource=resource))
    told = TokenAnswer(
        access_token=issued.access_token,
        token_type="Bearer",  # noqa: S106 - its type
        expires_in=ACCESS_TOKEN_S,
        scope=" ".join(issued.scopes),
        refresh_token=issued.refresh_token or UNSET,
    )
    return json_answer(told, 200, NO_STORE)


async def revoke(core: Core, scope: Scope, receive: Receive) -> Answer:
    """Revokes a token of the client; 200 for an unknown one as well (RFC 7009, section 2.2)."""
    form = await forms.read_form(scope, receive)
    client = await clients.authenticate(core, *forms.client_proof(scope, form))
    if not form.get("token"):
        raise OAuthError("token is missing")
    await tokens.revoke(core, client, form["token"])
    return json_answer({}, 200, NO_STORE)


async def _for_code(core: Core, call: Call) -> Issued:
    if "code_verifier" not in call.form:
        raise InvalidGrant("code_verifier is missing")
    return await tokens.exchange(
        core,
        call.client,
        code=call.field("code"),
        verifier=call.form["code_verifier"],
        redirect_uri=call.form.get("redirect_uri", ""),
        resource=call.resource,
    )


async def _for_refresh_token(core: Core, call: Call) -> Issued:
    return await tokens.refresh(
        core,
        call.client,
        token=call.field("refresh_token"),
        scope=call.form.get("scope", ""),
        resource=call.resource,
    )


GRANTS: Mapping[str, Callable[[Core, Call], Awaitable[Issued]]] = {
    AUTHORIZATION_CODE: _for_code,
    REFRESH_TOKEN: _for_refresh_token,
}
"""Grant type → function that gives the tokens."""
