"""Pictures of a request to change one: the first is changed, the others are references, and a mask says where it is redrawn."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from imgen.asgi.answer_headers import note_warning
from imgen.asgi.multipart import Form, FormFile
from imgen.domain.catalog import Size
from imgen.domain.data_uri import decode_data_uri
from imgen.domain.errors import InvalidField
from imgen.domain.principal import Principal
from imgen.domain.request import ReadPicture
from imgen.services import inputs, limits
from imgen.services.core import Core
from imgen.services.inputs import MAX_INLINE_BYTES
from imgen.services.listed import refuse_listed
from imgen.services.uploads import MAX_BYTES
from imgen.surfaces.openai.wire import OpenAIJsonEdit
from imgen.threads import PICTURES

IMAGE, MASK = "image", "mask"
MAX_IMAGES = 16
_IMAGE = re.compile(r"image(?:\[(\d{0,3})\])?")
"""Names of files in a form: `image`, `image[]` or `image[0]`."""


@dataclass(frozen=True, kw_only=True)
class SentPictures:
    """Pictures that came with a request; none with one for pictures of a prompt."""

    source: ReadPicture | None = None
    references: tuple[ReadPicture, ...] = ()
    mask: ReadPicture | None = None
    """White where the source is redrawn."""
    sizes: tuple[Size, ...] = ()
    """Of the source and the references."""


async def of_form(form: Form) -> SentPictures:
    """Takes the pictures of a form; their headers are read.

    Raises:
        InvalidField: `image` is missing, or a file is no usable picture.
    """
    named = [(match, file) for file in form.files if (match := _IMAGE.fullmatch(file.name))]
    files = [file for _, file in sorted(named, key=lambda one: int(one[0][1] or 0))]
    masks = [file for file in form.files if file.name == MASK]
    return await _pictures(
        [partial(_file, file, IMAGE) for file in files], [partial(_file, one, MASK) for one in masks]
    )


async def of_json(sent: OpenAIJsonEdit) -> SentPictures:
    """Takes the pictures of a JSON request.

    Raises:
        InvalidField: one is no data URI of a usable picture.
    """
    images = [partial(_inline, one.image_url, IMAGE) for one in sent.images]
    masks = [] if sent.mask is None else [partial(_inline, sent.mask.image_url, MASK)]
    return await _pictures(images, masks)


async def check_references(core: Core, principal: Principal, pictures: SentPictures) -> None:
    """Passes further pictures through the gate and the match lists, and tells that no model here uses them.

    Raises:
        InvalidField: one is no usable picture, or is listed.
        RateLimited: the tenant must wait, after too many blocked pictures.
        Retryable: Redis does not answer.
    """
    if not pictures.references:
        return
    await limits.check_penalty(core, principal)
    for read in pictures.references:
        taken = await PICTURES.run(inputs.take_source, read, is_own=False)
        await refuse_listed(core, principal, taken, IMAGE)
    note_warning("only the first image is used: no model here takes references")


async def _pictures(images: Sequence[ReadPicture], masks: Sequence[ReadPicture]) -> SentPictures:
    if not images:
        raise InvalidField(IMAGE, "image is required: a file")
    if len(images) > MAX_IMAGES:
        raise InvalidField(IMAGE, f"At most {MAX_IMAGES} images are taken")
    if len(masks) > 1:
        raise InvalidField(MASK, "There is one mask at most")
    sizes = tuple([await PICTURES.run(_size, read, IMAGE) for read in images])
    if masks and await PICTURES.run(_size, masks[0], MASK) != sizes[0]:
        note_warning("mask is scaled to the image")
    source, *references = images
    return SentPictures(
        source=source,
        references=tuple(references),
        mask=partial(_mask, masks[0]) if masks else None,
        sizes=sizes,
    )


def _file(file: FormFile, field: str) -> bytes:
    body = file.read()
    if len(body) > MAX_BYTES:
        raise InvalidField(field, f"{field} has at most {MAX_BYTES // 1024**2} MiB")
    return body


def _inline(uri: str, field: str) -> bytes:
    if uri[:5].casefold() != "data:":
        raise InvalidField(field, f"{field}: image_url is a data URI; nothing is fetched")
    return decode_data_uri(uri, field=field, max_bytes=MAX_INLINE_BYTES)


def _size(read: ReadPicture, field: str) -> Size:
    from imgen.provenance import intake  # Pillow is not needed before the first picture

    return intake.size_of(read(), field)


def _mask(read: ReadPicture) -> bytes:
    from imgen.provenance import intake

    return intake.mask_of_alpha(read(), MASK)
