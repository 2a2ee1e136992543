"""Uploads: pictures that clients send ahead of the requests that use them, for a day."""

import contextlib
import hashlib
import math
from typing import TYPE_CHECKING

from msgspec import Struct

from imgen.domain.errors import ImgenError, JobNotFound, Retryable
from imgen.domain.idempotency import Once
from imgen.domain.ids import new_upload_id
from imgen.domain.principal import Principal
from imgen.domain.request import ReadPicture
from imgen.records import idempotency as idempotency_records
from imgen.records import uploads as records
from imgen.records.idempotency import Claim, Made
from imgen.records.uploads import Upload
from imgen.services import idempotency, input_files, inputs, limits
from imgen.services.core import Core
from imgen.services.listed import refuse_listed
from imgen.threads import PICTURES

if TYPE_CHECKING:
    from imgen.provenance.intake import TakenPicture

MAX_BYTES = 32 * 1024 * 1024
"""Size of a picture that is the whole body of a request."""
GIB = 1024**3


class Uploaded(Struct, frozen=True, kw_only=True):
    """Kept picture."""

    upload: Upload
    is_replayed: bool = False
    """Whether an earlier request with the same idempotency key sent it."""


async def upload(core: Core, principal: Principal, read: ReadPicture, *, once: Once | None = None) -> Uploaded:
    """Takes a picture through the gate and stores it; `read` is called in a thread, after the cheap checks.

    With `once` a repetition gets the upload of the first request.

    The record comes first and holds the space, so that parallel uploads cannot pass the limit together; without its file it
    goes again.

    Raises:
        InvalidField: `image` is no usable picture.
        QuotaExceeded: the tenant's uploads of the last day leave no space for it.
        TooLarge: it takes more space than a tenant may.
        RateLimited: try again later, after too many blocked pictures.
        Retryable: Redis, the database or the object store does not answer or is full; nothing is recorded.
        RequestInProgress, KeyReused: see idempotency.run_once.
    """
    if once is None:
        return Uploaded(upload=await _upload(core, principal, read))

    async def make(claim: Claim) -> Uploaded:
        return Uploaded(upload=await _upload(core, principal, read, claim))

    async def replay(made: Made) -> Uploaded:
        since = core.clock() - input_files.KEPT_S
        found = await core.database.reading(records.find, made.ids[0], tenant_id=principal.tenant.id, since=since)
        if found is None:
            raise JobNotFound("Upload not found")
        return Uploaded(upload=found, is_replayed=True)

    return await idempotency.run_once(core, principal.quota_owner, once, make=make, replay=replay, takes_long=True)


async def _upload(core: Core, principal: Principal, read: ReadPicture, claim: Claim | None = None) -> Upload:
    await limits.check_penalty(core, principal)
    await limits.check_quota(core, principal, makes_job=False)
    space_bytes = core.settings.objects.uploads_gib * GIB or math.inf
    since = core.clock() - input_files.KEPT_S
    await core.database.reading(records.check_space, principal.tenant.id, space_bytes=space_bytes, since=since)
    sha256, picture = await PICTURES.run(_take, read)
    await refuse_listed(core, principal, picture, "image")
    file = input_files.planned(core, principal, picture)
    made = Upload(
        id=new_upload_id(),
        tenant_id=principal.tenant.id,
        key=file.key,
        original_key=file.original_key,
        sha256=sha256,
        width=picture.width,
        height=picture.height,
        size_bytes=file.size_bytes,
        created_at=core.clock(),
    )
    await core.database.writing(records.add, made, space_bytes=space_bytes, since=since)
    try:
        await input_files.store(core, picture, file)
    except ImgenError:
        with contextlib.suppress(Retryable):  # else it holds its space for a day
            await core.database.writing(records.delete, made.id)
        raise
    if claim is not None:
        await core.database.writing(idempotency_records.finish, claim, Made(ids=(made.id,)))
    return made


def _take(read: ReadPicture) -> tuple[str, "TakenPicture"]:
    body = read()
    return hashlib.sha256(body).hexdigest(), inputs.take_source(lambda: body, is_own=False)
