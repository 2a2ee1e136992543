"""Inputs of a job, its source and mask: read through the gate before anything dear is done, stored once nothing can refuse it.

A source comes with the request, or is an upload or a finished picture of the same tenant; a mask comes with it or is an upload.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from imgen.domain.errors import Invalid, InvalidField, JobNotFound, ObjectNotFound
from imgen.domain.ids import is_job_id, is_upload_id
from imgen.domain.job import State
from imgen.domain.principal import Principal
from imgen.domain.recipe import Input
from imgen.domain.request import PictureSource, ReadPicture, ResolvedRequest
from imgen.records import jobs
from imgen.records import uploads as records
from imgen.records.uploads import Upload
from imgen.services import input_files
from imgen.services.core import Core
from imgen.services.input_files import StoredFile
from imgen.services.listed import refuse_listed
from imgen.threads import OBJECTS, PICTURES

if TYPE_CHECKING:
    from imgen.provenance.intake import TakenPicture

MAX_INLINE_BYTES = 8 * 1024 * 1024
"""Size of a source or a mask within a request; uploads may be larger."""
SOURCE, MASK = "source", "mask"


class ReadInputs(NamedTuple):
    """Source and mask that passed the gate; those that are stored already as their files."""

    source: "TakenPicture | Upload | None"
    mask: "TakenPicture | None"

    @property
    def size(self) -> tuple[int, int] | None:
        """Returns width and height of the source; None: there is none."""
        return None if self.source is None else (self.source.width, self.source.height)


async def read_inputs(core: Core, principal: Principal, resolved: ResolvedRequest) -> ReadInputs:
    """Reads the source and the mask of a request; a mask without a source is left alone.

    Raises:
        InvalidField: `image` or `mask` is no usable picture, or the id of none that the tenant has.
        Retryable: the database or the object store does not answer.
    """
    if resolved.source is None:
        return ReadInputs(None, None)
    source = await _read_source(core, principal, resolved.source)
    size = (source.width, source.height)
    mask = None if resolved.mask is None else await _read_mask(core, principal, resolved.mask, size)
    return ReadInputs(source, mask)


async def store_inputs(core: Core, principal: Principal, read: ReadInputs, *, strength: float) -> tuple[Input, ...]:
    """Stores what is not stored yet; returns the inputs of the recipe.

    Raises:
        Retryable: the object store does not answer.
    """
    if read.source is None:
        return ()
    if isinstance(read.source, Upload):
        file = StoredFile(read.source.key, read.source.original_key)
    else:
        file = await _store(core, principal, read.source)
    inputs = [_input(SOURCE, file, strength)]
    if read.mask is not None:
        inputs.append(_input(MASK, await _store(core, principal, read.mask), 1.0))
    return tuple(inputs)


async def store_again(core: Core, principal: Principal, inputs: tuple[Input, ...]) -> tuple[Input, ...]:
    """Stores the inputs of an earlier job for a new one.

    Raises:
        Invalid: one was deleted.
        Retryable: the object store does not answer.
    """
    try:
        files = [await input_files.store_again(core, principal, given) for given in inputs]
    except ObjectNotFound as exc:
        raise Invalid("The source of this job is not stored any more: send the request again") from exc
    return tuple(
        structs.replace(given, key=file.key, original_key=file.original_key)
        for given, file in zip(inputs, files, strict=True)
    )


async def find_upload(core: Core, principal: Principal, upload_id: str) -> Upload | None:
    """Finds an upload of the tenant that can still be used; None: there is none."""
    since = core.clock() - input_files.KEPT_S
    return await core.database.reading(records.find, upload_id, tenant_id=principal.tenant.id, since=since)


def take_source(read: ReadPicture, *, is_own: bool) -> "TakenPicture":
    """Takes a picture through the gate; it may be of another format if it is one of ours. Call it in a thread.

    Raises:
        InvalidField: `image` is no usable picture.
    """
    from imgen.provenance import intake  # Pillow is not needed before the first picture

    formats = intake.OWN_FORMATS if is_own else intake.OUTSIDE_FORMATS
    return intake.take_source(read(), "image", formats=formats)


async def _read_source(core: Core, principal: Principal, sent: PictureSource) -> "TakenPicture | Upload":
    if not isinstance(sent, str):
        return await _unlisted(core, principal, await PICTURES.run(take_source, sent, is_own=False), "image")
    if is_upload_id(sent) and (upload := await find_upload(core, principal, sent)) is not None:
        return upload
    if is_job_id(sent):
        key = await _picture_key(core, principal, sent)
        try:
            body = await OBJECTS.run(core.objects.get, key)
        except ObjectNotFound as exc:
            raise InvalidField("image") from exc
        return await _unlisted(core, principal, await PICTURES.run(take_source, lambda: body, is_own=True), "image")
    raise InvalidField("image")


async def _read_mask(core: Core, principal: Principal, sent: PictureSource, size: tuple[int, int]) -> "TakenPicture":
    if not isinstance(sent, str):
        return await _unlisted(core, principal, await PICTURES.run(_take_mask, sent, size), "mask")
    if is_upload_id(sent) and (upload := await find_upload(core, principal, sent)) is not None:
        try:
            body = await OBJECTS.run(core.objects.get, upload.key)
        except ObjectNotFound as exc:
            raise InvalidField("mask") from exc
        return await PICTURES.run(_take_mask, lambda: body, size)
    raise InvalidField("mask")


async def _unlisted(core: Core, principal: Principal, picture: "TakenPicture", field: str) -> "TakenPicture":
    await refuse_listed(core, principal, picture, field)
    return picture


async def _picture_key(core: Core, principal: Principal, job_id: str) -> str:
    """Returns the object key of the signed picture of the tenant's finished job.

    Raises:
        InvalidField: there is no such job, or no such picture (any more).
    """
    try:
        job = await core.database.reading(jobs.find, job_id, tenant_id=principal.tenant.id)
    except JobNotFound as exc:
        raise InvalidField("image") from exc
    images = job.outcome.images if job.state is State.COMPLETED and job.outcome is not None else ()
    for image in images:
        if image.type == "signed":
            return image.key
    raise InvalidField("image")


async def _store(core: Core, principal: Principal, picture: "TakenPicture") -> StoredFile:
    picture = replace(
        picture, alpha=b""
    )  # which is of use to uploads alone: no mask is made of a job's own source again
    file = input_files.planned(core, principal, picture)
    await input_files.store(core, picture, file)
    return file


def _input(role: str, file: StoredFile, strength: float) -> Input:
    return Input(
        role=role,
        key=file.key,
        sha256=input_files.sha256_of(file.key),
        original_key=file.original_key,
        strength=strength,
    )


def _take_mask(read: ReadPicture, size: tuple[int, int]) -> "TakenPicture":
    from imgen.provenance import intake

    return intake.take_mask(read(), "mask", size=size)
