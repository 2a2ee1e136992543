"""Uploads of pictures: read and checked, then stored under their hash, once a day for each tenant, and deleted when unneeded.

Checking and storing are apart: what a client sent is checked before anything dear is done, and stored once nothing can refuse the
request any more.
"""

import contextlib
import hashlib
import itertools
import time

import structlog

from imgen.domain.errors import Invalid, InvalidField, ObjectNotFound, Retryable
from imgen.domain.principal import Principal
from imgen.domain.request import ReadPicture
from imgen.records import logos as records
from imgen.services.core import Core
from imgen.threads import OBJECTS, PICTURES, SWEEPING

log = structlog.get_logger(__name__)

MAX_LOGO_BYTES = 4 * 1024 * 1024
FOLDER = "brands/"
KEPT_S = 86400
"""Time to keep a logo after its last job began or ended: for retries of that job."""
BATCH = 250


async def read_logo(read: ReadPicture, *, field: str) -> bytes:
    """Reads the file of a logo for the visible watermark, and checks that it is one.

    Raises:
        InvalidField: it cannot be a logo; the error has `field`.
    """
    return await PICTURES.run(_read_logo, read, field)


async def store_logo(core: Core, principal: Principal, body: bytes) -> str:
    """Stores a logo that was checked; returns its object key.

    The key has the day, so that a sweep never deletes a file that a new request has found there and refers to.

    Raises:
        Retryable: the object store does not answer.
    """
    day = time.strftime("%Y-%m-%d", time.gmtime(core.clock()))
    key = f"{FOLDER}{principal.tenant.id}/{day}/{hashlib.sha256(body).hexdigest()}"
    await OBJECTS.run(core.objects.put, key, body, "application/octet-stream")
    return key


async def store_again(core: Core, principal: Principal, key: str) -> str:
    """Stores the logo of an earlier job for a new one; returns its object key.

    Raises:
        Invalid: it was deleted.
        Retryable: the object store does not answer.
    """
    try:
        body = await OBJECTS.run(core.objects.get, key)
    except ObjectNotFound as exc:
        raise Invalid("The logo of this job is not stored any more: send the request again") from exc
    return await store_logo(core, principal, body)


async def sweep_logos(core: Core) -> int:
    """Deletes the logos that no job of the last day needs. Returns 0: no job is changed."""
    since = core.clock() - KEPT_S
    stale = await SWEEPING.run(
        lambda: [stored.key for stored in core.objects.list(FOLDER) if stored.modified_at < since]
    )
    keys = iter(stale)
    while batch := list(itertools.islice(keys, BATCH)):
        needed = await core.database.reading(records.needed, batch, since=since)
        unneeded = [key for key in batch if key not in needed]
        if kept := await SWEEPING.run(core.objects.delete_many, unneeded):
            log.warning("logos not deleted", number=len(kept), reason=next(iter(kept.values())))
    return 0


async def delete_unused_logo(core: Core, key: str) -> None:
    """Deletes the logo of a deleted job if no other job has it. A store that does not answer leaves it to the sweep."""
    if key and not await core.database.reading(records.is_used, key):
        with contextlib.suppress(Retryable):
            await OBJECTS.run(core.objects.delete, key)


def _read_logo(read: ReadPicture, field: str) -> bytes:
    from imgen.provenance.branding import open_logo  # Pillow is not needed before the first logo

    body = read()
    try:
        open_logo(body)
    except InvalidField as exc:  # has the name of the field in the Action API
        raise InvalidField(field) from exc
    return body
