"""Uploads of pictures: read and checked, then stored under their hash, once for each tenant.

The two steps are apart: what a client sent is checked before anything dear is done, and stored once nothing can refuse the
request any more.
"""

import hashlib

from imgen.domain.errors import InvalidField
from imgen.domain.principal import Principal
from imgen.domain.request import ReadPicture
from imgen.services.core import Core
from imgen.threads import OBJECTS, PICTURES

MAX_LOGO_BYTES = 4 * 1024 * 1024


async def read_logo(read: ReadPicture, *, field: str) -> bytes:
    """Reads the file of a logo for the visible watermark, and checks that it is one.

    Raises:
        InvalidField: it cannot be a logo; the error has `field`.
    """
    return await PICTURES.run(_read_logo, read, field)


async def store_logo(core: Core, principal: Principal, body: bytes) -> str:
    """Stores a logo that was checked; returns its object key.

    Raises:
        Retryable: the object store does not answer.
    """
    key = f"brands/{principal.tenant.id}/{hashlib.sha256(body).hexdigest()}"
    await OBJECTS.run(core.objects.put, key, body, "application/octet-stream")
    return key


def _read_logo(read: ReadPicture, field: str) -> bytes:
    from imgen.provenance.branding import open_logo  # Pillow is not needed before the first logo

    body = read()
    try:
        open_logo(body)
    except InvalidField as exc:  # has the name of the field in the Action API
        raise InvalidField(field) from exc
    return body
