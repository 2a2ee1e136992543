"""What every surface needs of HTTP: the key out of the headers, the body within its limits, JSON out. No dialect in here."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from imgen.domain.errors import RequestTimeout, TooLarge, Unauthorized

_encode = msgspec.json.Encoder().encode


def bearer_key(request: Request) -> str:
    """The raw key of `Authorization: Bearer <key>`.

    Raises:
        Unauthorized: the header is missing or of another scheme.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized
    return key.strip()


async def read_body(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body.

    Raises:
        TooLarge: it is, or says it is, over the limit; what follows is not read.
        RequestTimeout: it has not arrived in time.
        starlette.requests.ClientDisconnect: the client went away.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise TooLarge
    body = bytearray()  # not a list: a body that comes byte by byte would take fifty times its size
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise TooLarge
    except TimeoutError as exc:
        raise RequestTimeout from exc
    return bytes(body)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A Struct or plain value as JSON."""
    return Response(_encode(value), status, headers, media_type="application/json")
