"""Envelope of a message: as much of a JSON-RPC body as has to be known before the `mcp` package reads it."""

import msgspec
from msgspec import Struct

MAX_ID_CHARS = 200
INITIALIZE, CALL_TOOL, CANCELLED = "initialize", "tools/call", "notifications/cancelled"


class Envelope(Struct, frozen=True, kw_only=True):
    """Parts of a message; empty where it is of another form, which the package refuses."""

    method: str = ""
    request_id: str | int | None = None
    """Id of the request; None: it has none, or one that is none."""
    tool: str = ""
    """Tool that is called."""
    cancelled_id: str | int | None = None
    """Id of the request that a client gives up."""


class _Parameters(Struct, frozen=True):
    name: str = ""
    cancelled_id: str | int | None = msgspec.field(default=None, name="requestId")


class _Message(Struct, frozen=True):
    method: str
    id: str | int | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")


_message, _parameters = msgspec.json.Decoder(_Message).decode, msgspec.json.Decoder(_Parameters).decode


def read_envelope(body: bytes) -> Envelope:
    """Reads the envelope of a body, which may be anything."""
    try:
        message = _message(body)
        if message.method not in (CALL_TOOL, CANCELLED):
            return Envelope(method=message.method, request_id=_short(message.id))
        sent = _parameters(message.params)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Envelope()
    return Envelope(
        method=message.method,
        request_id=_short(message.id),
        tool=sent.name,
        cancelled_id=_short(sent.cancelled_id),
    )


def _short(request_id: str | int | None) -> str | int | None:
    return None if isinstance(request_id, str) and len(request_id) > MAX_ID_CHARS else request_id
