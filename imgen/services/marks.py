"""The caller's visible mark: out of the request's data URI, checked, and into the object store."""

import asyncio
import base64
import binascii
import hashlib
import re

from msgspec import structs

from imgen.domain.account import Principal
from imgen.domain.errors import GenerationFailed, InvalidField, Retryable
from imgen.domain.recipe import Brand
from imgen.services.core import Core

MAX_MARK_BYTES = 4 * 1024 * 1024
_DATA_URI = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)
_opening_marks = asyncio.Semaphore(2)
"""A mark may take 64 MB while it is decoded, so only so many are at one time."""


async def store(core: Core, principal: Principal, data_uri: str | None, brand: Brand) -> Brand:
    """Decodes, checks and stores the caller's mark under its hash, once for each tenant; the brand with the mark's key.

    Raises:
        InvalidField: it is no picture that is taken as a mark.
        GenerationFailed: the object store does not answer.
    """
    if not data_uri or not data_uri.strip():
        return brand
    body = _decode_data_uri(data_uri)
    async with _opening_marks:
        await asyncio.to_thread(_check_mark, body)
    key = f"brands/{principal.tenant.id}/{hashlib.sha256(body).hexdigest()}"
    try:
        await asyncio.to_thread(core.objects.put, key, body, "application/octet-stream")
    except Retryable as exc:
        raise GenerationFailed from exc
    return structs.replace(brand, image_key=key)


def _decode_data_uri(text: str) -> bytes:
    match = _DATA_URI.match(text.strip()[:200])
    if match is None:
        raise InvalidField("wm_image")
    encoded = text.strip()[match.end() :]
    if len(encoded) > MAX_MARK_BYTES * 4 / 3 + 1024:
        raise InvalidField("wm_image")
    try:
        body = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidField("wm_image") from exc
    if not body or len(body) > MAX_MARK_BYTES:
        raise InvalidField("wm_image")
    return body


def _check_mark(body: bytes) -> None:
    from imgen.provenance.branding import open_logo  # Pillow is not needed before the first mark

    open_logo(body)
