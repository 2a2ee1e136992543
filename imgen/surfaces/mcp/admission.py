"""Admission of requests: from where they come, who sends them, how long they are, and whether the caller's scopes cover the tool.

The `mcp` package has such checks, and they fall short: its challenge names no scope, and blames a token where none was sent.
"""

from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.types import Receive, Scope

from imgen.asgi.answer_headers import answer_context
from imgen.asgi.endpoint import Answer, read_body, remote_ip, sent_key
from imgen.domain.credential import secret_credential
from imgen.domain.errors import ImgenError, Unauthorized
from imgen.domain.oauth.grants import MCP
from imgen.domain.principal import Principal
from imgen.services.accounts import authentication
from imgen.services.core import Core
from imgen.surfaces.mcp import refusals
from imgen.surfaces.mcp.call import NAME, McpCall, Spawn
from imgen.surfaces.mcp.envelope import Envelope, read_envelope
from imgen.surfaces.mcp.origins import problem_of_origin
from imgen.surfaces.mcp.tools import BY_NAME
from imgen.surfaces.public_address import base_of
from imgen.surfaces.surface import Problem

METHODS = ("POST",)
"""No stream is open beside a request, and no session to be deleted: GET and DELETE are not allowed in any version."""
TOKEN_PARAMETERS = ("access_token", "token", "api_key", "key")
"""Parameters of an address, which logs and referrers would spread."""


class Admitted(NamedTuple):
    """Request that may pass."""

    call: McpCall
    body: bytes


async def admit(core: Core, scope: Scope, receive: Receive, *, spawn: Spawn) -> Admitted | Answer:
    """Admits a request; else returns the answer to it.

    Raises:
        starlette.requests.ClientDisconnect: the client has gone.
    """
    if (problem := problem_of_origin(core.settings, scope)) is not None:
        return refusals.refusal(problem)
    try:
        if any(name in parse_qs(scope["query_string"].decode("latin-1")) for name in TOKEN_PARAMETERS):
            raise Unauthorized("A token goes into the header Authorization, never into the address")
        principal = await _principal(core, scope)
        if scope["method"] not in METHODS:
            return refusals.refusal(Problem(405, "Method not allowed", {"Allow": ", ".join(METHODS)}))
        body = await read_body(scope, receive, max_bytes=max_body_bytes(core))
        envelope = read_envelope(body)
        principal.require(_scope_of(envelope))
    except ImgenError as exc:
        return refusals.failure(exc, base_of(core.settings, scope))
    return Admitted(McpCall(core, _trimmed(scope), receive, principal=principal, envelope=envelope, spawn=spawn), body)


def _trimmed(scope: Scope) -> Scope:
    """Returns the head without space around values, which the server leaves at their ends (RFC 9110, section 5.5)."""
    return {**scope, "headers": [(name, value.strip(b" \t")) for name, value in scope["headers"]]}


async def _principal(core: Core, scope: Scope) -> Principal:
    """Authenticates the caller, by an access token for this resource or an API key; the request is counted once."""
    credential = secret_credential(sent_key(scope), resource=MCP)
    note = answer_context(scope).note_rate
    principal = await authentication.authenticate(core, credential, remote_ip=remote_ip(scope), note=note)
    core.plan_of(principal.tenant.plan).require_surface(NAME)
    return principal


def max_body_bytes(core: Core) -> int:
    """Returns the limit of bodies."""
    return int(core.settings.http.max_body_mib * 1024 * 1024)


def _scope_of(envelope: Envelope) -> str:
    """Returns the scope that a message needs; empty: none."""
    tool = BY_NAME.get(envelope.tool)
    return "" if tool is None else tool.scope
