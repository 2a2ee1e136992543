"""Masks of products: made of the source of an order, whose plain or transparent ground is told from what stands before it."""

from typing import TYPE_CHECKING

from msgspec import structs

from imgen.domain.capabilities import Capabilities
from imgen.domain.errors import InvalidField, ObjectNotFound
from imgen.domain.recipe import NO_PLAIN_GROUND
from imgen.domain.request import PRODUCT_MASK, ResolvedRequest, in_order
from imgen.records.uploads import Upload
from imgen.services import input_files
from imgen.services.core import Core
from imgen.services.inputs import ReadInputs
from imgen.threads import OBJECTS, PICTURES

if TYPE_CHECKING:
    from imgen.provenance.intake import TakenPicture

SEAM_PX = 2
"""Width of the seam around a product, outside of it: wide enough to hide the edge, too narrow to show the old ground."""


async def with_product_mask(
    core: Core, resolved: ResolvedRequest, read: ReadInputs, able: Capabilities
) -> tuple[ResolvedRequest, ReadInputs]:
    """Adds the mask that keeps the product; where none is found, the whole picture is restyled gently, which is told.

    Raises:
        InvalidField: the source of an upload is gone.
        Retryable: the object store does not answer.
    """
    mask = await _mask(core, read.source) if able.inpaint else None
    if mask is not None:
        return structs.replace(resolved, seam_px=SEAM_PX), read._replace(mask=mask)
    restyled = structs.replace(
        resolved,
        image_strength=min(resolved.image_strength, resolved.restyle_strength),
        notes=(*resolved.notes, NO_PLAIN_GROUND),
        warnings=in_order((*resolved.warnings, PRODUCT_MASK)),
    )
    return restyled, read


async def _mask(core: Core, source: "TakenPicture | Upload | None") -> "TakenPicture | None":
    if source is None:
        return None
    if not isinstance(source, Upload):
        return await PICTURES.run(_made, source.body, source.alpha)
    try:
        body = await OBJECTS.run(core.objects.get, source.key)
    except ObjectNotFound as exc:
        raise InvalidField("image") from exc
    try:
        alpha = await OBJECTS.run(core.objects.get, input_files.alpha_key(source.key))
    except ObjectNotFound:
        alpha = b""
    return await PICTURES.run(_made, body, alpha)


def _made(body: bytes, alpha: bytes) -> "TakenPicture | None":
    from imgen.provenance import product_mask  # NumPy and Pillow are not needed before the first picture

    return product_mask.mask_of(body, alpha)
