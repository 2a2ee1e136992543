"""Uploads of pictures: read and checked, then stored under their hash, once for each tenant.

The two steps are apart: what a client sent is checked before anything dear is done, and stored once nothing can refuse the
request any more.
"""

import asyncio
import hashlib

from imgen.domain.errors import GenerationFailed, InvalidField, Retryable
from imgen.domain.principal import Principal
from imgen.domain.request import ReadPicture
from imgen.services.core import Core

MAX_LOGO_BYTES = 4 * 1024 * 1024
_decoding = asyncio.Semaphore(2)
"""Limit of uploads that are decoded at one time: a logo may take 64 MB meanwhile."""


async def read_logo(read: ReadPicture, *, field: str) -> bytes:
    """Reads the file of a logo for the visible watermark, and checks that it is one.

    Raises:
        InvalidField: it cannot be a logo; the error has `field`.
    """
    async with _decoding:
        return await asyncio.to_thread(_read_logo, read, field)


async def store_logo(core: Core, principal: Principal, body: bytes) -> str:
    """Stores a logo that was checked; returns its object key.

    Raises:
        GenerationFailed: the object store does not answer.
    """
    key = f"brands/{principal.tenant.id}/{hashlib.sha256(body).hexdigest()}"
    try:
        await asyncio.to_thread(core.objects.put, key, body, "application/octet-stream")
    except Retryable as exc:
        raise GenerationFailed from exc
    return key


def _read_logo(read: ReadPicture, field: str) -> bytes:
    from imgen.provenance.branding import open_logo  # Pillow is not needed before the first logo

    body = read()
    try:
        open_logo(body)
    except InvalidField as exc:  # has the name of the field in the Action API
        raise InvalidField(field) from exc
    return body
