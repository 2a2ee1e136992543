"""Files of sources and masks: stored under their hash, once a day for each tenant, and deleted when unneeded.

The key has the day, so that a sweep never deletes a file that a new request has found there and refers to. A file that was sent
with a C2PA manifest store lies beside its own, for the ingredient of the new picture's manifest, and so does the transparency of
one that has some, for the mask of a product.
"""

import contextlib
import hashlib
import itertools
import time
from typing import TYPE_CHECKING, NamedTuple

import structlog

from imgen.domain.errors import Retryable
from imgen.domain.job import Job
from imgen.domain.principal import Principal
from imgen.domain.recipe import Input
from imgen.records import uploads as records
from imgen.services.core import Core
from imgen.threads import OBJECTS, SWEEPING

if TYPE_CHECKING:
    from imgen.provenance.intake import TakenPicture

log = structlog.get_logger(__name__)

FOLDER = "inputs/"
KEPT_S = 86400
"""Time for which an upload can be used, and to keep a file after its last job began or ended: for retries of that job."""
MARGIN_S = 3600
"""Time after that until a sweep: a request that found an upload a moment before its end makes its job meanwhile."""
BATCH = 250


class StoredFile(NamedTuple):
    """File in the object store."""

    key: str
    original_key: str = ""
    """Key of the file as it was sent; empty: it holds no C2PA manifest store."""
    size_bytes: int = 0
    """Of all that belongs to it."""


def alpha_key(key: str) -> str:
    """Returns the key of the transparency of the picture under a key; there is none under it if all of it is opaque."""
    return f"{key}.alpha"


def sha256_of(key: str) -> str:
    """Returns the digest of the file under a key: its last word."""
    return key.rpartition("/")[2]


def planned(core: Core, principal: Principal, picture: "TakenPicture") -> StoredFile:
    """Returns the keys under which a picture that passed the gate is to be stored, and its size."""
    key = _key_of_today(core, principal, hashlib.sha256(picture.body).hexdigest())
    original_key = ""
    if picture.original:
        original_key = f"{key}.{hashlib.sha256(picture.original).hexdigest()[:16]}.original"
    return StoredFile(key, original_key, len(picture.body) + len(picture.original) + len(picture.alpha))


async def store(core: Core, picture: "TakenPicture", file: StoredFile) -> None:
    """Stores a picture as it was planned, its original and its transparency.

    Raises:
        Retryable: the object store does not answer.
    """
    if file.original_key:  # first: a file without its original would be taken for one that has none
        await OBJECTS.run(core.objects.put, file.original_key, picture.original, "application/octet-stream")
    if picture.alpha:
        await OBJECTS.run(core.objects.put, alpha_key(file.key), picture.alpha, "image/png")
    await OBJECTS.run(core.objects.put, file.key, picture.body, "image/png")


async def store_again(core: Core, principal: Principal, given: Input) -> StoredFile:
    """Stores the file of an earlier job's input for a new job.

    Raises:
        ObjectNotFound: it was deleted.
        Retryable: the object store does not answer.
    """
    key = _key_of_today(core, principal, given.sha256)
    original_key = given.original_key and key + given.original_key.removeprefix(given.key)
    for old, new in ((given.original_key, original_key), (given.key, key)):
        if old:
            body = await OBJECTS.run(core.objects.get, old)
            await OBJECTS.run(core.objects.put, new, body, "application/octet-stream")
    return StoredFile(key, original_key)


async def sweep(core: Core) -> int:
    """Deletes uploads past their day, and the files that no upload and no job needs. Returns 0: no job is changed."""
    since = core.clock() - KEPT_S - MARGIN_S
    while await core.database.writing(records.delete_before, since, limit=BATCH) == BATCH:
        pass
    stale = await SWEEPING.run(
        lambda: [stored.key for stored in core.objects.list(FOLDER) if stored.modified_at < since]
    )
    keys = iter(stale)
    while batch := list(itertools.islice(keys, BATCH)):
        files = {key: _without_suffix(key) for key in batch}
        needed = await core.database.reading(records.needed, sorted(set(files.values())), since=since)
        unneeded = [key for key, file in files.items() if file not in needed]
        if kept := await SWEEPING.run(core.objects.delete_many, unneeded):
            log.warning("inputs not deleted", number=len(kept), reason=next(iter(kept.values())))
    return 0


async def delete_unused(core: Core, job: Job) -> None:
    """Deletes the inputs of a deleted job that nothing else has. A store that does not answer leaves them to the sweep."""
    for given in job.recipe.diffusion.inputs:
        if not await core.database.reading(records.is_used, given.key):
            with contextlib.suppress(Retryable):
                files = [given.key, alpha_key(given.key), *filter(None, [given.original_key])]
                await OBJECTS.run(core.objects.delete_many, files)


def _key_of_today(core: Core, principal: Principal, sha256: str) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime(core.clock()))
    return f"{FOLDER}{principal.tenant.id}/{day}/{sha256}"


def _without_suffix(key: str) -> str:
    """Returns the key of the file that an original belongs to; a file's own as it is."""
    folder, _, name = key.rpartition("/")
    return f"{folder}/{name.partition('.')[0]}"
