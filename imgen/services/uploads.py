"""Uploads of pictures: checked, then stored under their hash, once for each tenant."""

import asyncio
import hashlib

from imgen.domain.errors import GenerationFailed, InvalidField, Retryable
from imgen.domain.principal import Principal
from imgen.services.core import Core

MAX_LOGO_BYTES = 4 * 1024 * 1024
_decoding = asyncio.Semaphore(2)
"""Limit of uploads that are decoded at one time: a logo may take 64 MB meanwhile."""


async def store_logo(core: Core, principal: Principal, body: bytes, *, field: str) -> str:
    """Checks and stores a logo for the visible watermark; returns its object key.

    Raises:
        InvalidField: the body cannot be a logo; the error has `field`.
        GenerationFailed: the object store does not answer.
    """
    async with _decoding:
        await asyncio.to_thread(_check_logo, body, field)
    key = f"brands/{principal.tenant.id}/{hashlib.sha256(body).hexdigest()}"
    try:
        await asyncio.to_thread(core.objects.put, key, body, "application/octet-stream")
    except Retryable as exc:
        raise GenerationFailed from exc
    return key


def _check_logo(body: bytes, field: str) -> None:
    from imgen.provenance.branding import open_logo  # Pillow is not needed before the first logo

    try:
        open_logo(body)
    except InvalidField as exc:  # has the name of the field in the Action API
        raise InvalidField(field) from exc
