"""Requests of clients at the token endpoint: a form, and the client's id and secret in it or in the header."""

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_plus

from starlette.types import Receive, Scope

from imgen.asgi.endpoint import header, headers, read_body
from imgen.domain.errors import InvalidClient, OAuthError

MAX_BYTES = 16 * 1024
MAX_FIELDS = 50
FORM = "application/x-www-form-urlencoded"


class ClientProof(NamedTuple):
    """Id and secret of a client, as it sent them."""

    client_id: str
    secret: str
    """Empty: it sent none."""


def is_basic(scope: Scope) -> bool:
    """Returns whether a client proves itself in the header."""
    return header(scope, b"authorization").lower().startswith("basic ")


async def read_form(scope: Scope, receive: Receive) -> Mapping[str, str]:
    """Reads a form; a field without a value is one that was not sent (RFC 6749, section 3.2).

    Raises:
        OAuthError: it is no form, or has a field twice.
        TooLarge: it is over the limit.
    """
    if header(scope, b"content-type").partition(";")[0].strip().lower() != FORM:
        raise OAuthError(f"The body is {FORM}")
    body = await read_body(scope, receive, max_bytes=MAX_BYTES)
    try:
        pairs = parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as exc:
        raise OAuthError("The form cannot be read") from exc
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("A field was sent twice")
    if any("\0" in text for pair in pairs for text in pair):
        raise OAuthError("The form cannot be read")
    return form


def client_proof(scope: Scope, form: Mapping[str, str]) -> ClientProof:
    """Takes id and secret of the client from the header, or else from the form.

    Raises:
        InvalidClient: the header cannot be read, or there is no id.
        OAuthError: there are two, which differ or both have a secret.
    """
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    if len(headers(scope, b"authorization")) > 1:
        raise OAuthError("The client proves itself in one way alone")
    if is_basic(scope):
        told = _basic(header(scope, b"authorization"))
        if secret or client_id not in ("", told.client_id):
            raise OAuthError("The client proves itself in one way alone")
        return told
    if not client_id:
        raise InvalidClient("There is no client_id")
    return ClientProof(client_id, secret)


def _basic(value: str) -> ClientProof:
    """Decodes the header; both parts are percent-encoded in it (RFC 6749, section 2.3.1)."""
    try:
        decoded = base64.b64decode(value.partition(" ")[2].strip(), validate=True).decode()
        client_id, colon, secret = decoded.partition(":")
        found = ClientProof(unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict"))
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise InvalidClient from exc
    if not colon or not found.client_id or "\0" in decoded or "\0" in found.client_id:
        raise InvalidClient
    return found
