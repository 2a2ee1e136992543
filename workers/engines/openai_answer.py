"""Answer of an OpenAI-compatible images server: the picture's bytes, or its URL, which is fetched through the guard."""

import asyncio
import base64
import binascii

import msgspec
from msgspec import Struct

from imgen.domain.errors import NoAnswer, RemoteEngineFailed, UnsafeUrl
from imgen.outgoing.client import OutgoingClient

MAX_PICTURE_BYTES = 48 * 2**20
"""Bytes of a file: 16 megapixels of incompressible RGB."""
MAX_ANSWER_BYTES = MAX_PICTURE_BYTES * 4 // 3 + 65_536
"""Bytes of an answer with such a file in base64."""


class _Picture(Struct):
    b64_json: str | None = None
    url: str | None = None


class _Answer(Struct):
    data: list[_Picture]


def picture_of(body: bytes) -> bytes | str:
    """Returns the first picture's file, or its URL.

    Raises:
        ValueError: the answer holds neither.
    """
    try:
        first = next(iter(msgspec.json.decode(body, type=_Answer).data), _Picture())
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise ValueError("the answer has another form") from exc
    if first.b64_json:
        try:
            return base64.b64decode(first.b64_json, validate=True)
        except binascii.Error as exc:
            raise ValueError("b64_json is no base64") from exc
    if first.url:
        return first.url
    raise ValueError("the answer has no picture")


def fetched(url: str, *, timeout_s: float) -> bytes:
    """Returns what is at a URL of an answer: https, at public addresses alone, without redirects.

    Raises:
        RemoteEngineFailed: the URL may not be fetched, or is not answered in time or in size.
    """
    client = OutgoingClient(timeout_s=timeout_s)
    try:
        answer = asyncio.run(client.get(url, {}, max_bytes=MAX_PICTURE_BYTES))
    except (UnsafeUrl, NoAnswer) as exc:
        raise RemoteEngineFailed(f"The engine's picture cannot be fetched: {exc}") from exc
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise RemoteEngineFailed(f"The engine's picture cannot be fetched: status {answer.status}")
    return answer.body
