"""Master: the lossless, unbranded render, in the object store between the two phases of its job.

It carries the time at which it was drawn, which the credentials of every picture made from it tell.
"""

import calendar
import io
import time
from dataclasses import replace

import numpy as np
from PIL import Image

from imgen.domain.errors import MasterLost, ObjectNotFound, Retryable
from workers import spool
from workers.picture import CachedMaster, Context, Picture

FORMAT = "tiff"
"""Uncompressed: a millisecond to write or read, where any lossless codec takes tens. The file lives for seconds, and a GPU must
not wait for an encoder."""

KEPT_FORMAT = "png"
"""Format of the semantic cache's masters. They lie for weeks; PNG at its fastest setting halves them at least."""

_DATE_TIME = 0x0132
"""Number of the EXIF tag, the same in TIFF; its time is UTC here."""

_TIME_FORMAT = "%Y:%m:%d %H:%M:%S"


def keep(picture: Picture, context: Context) -> Picture:
    """Stores the pixels under a key of job and fence, so that no two attempts write the same object.

    Raises:
        Retryable: the object store did not take them; they are kept on this host for the next attempt.
    """
    key = f"work/{context.job.id}/{context.job.fence}.{FORMAT}"
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, FORMAT, exif=_exif(picture.drawn_at))
    data_dir = context.resources.settings.data_dir
    try:
        context.resources.objects.put(key, file.getvalue(), f"image/{FORMAT}")
    except Retryable:
        spool.save(data_dir, context.job.id, file.getvalue())
        raise
    spool.discard(data_dir, context.job.id)
    return replace(picture, master_key=key)


def fetch(picture: Picture, context: Context) -> Picture:
    """Reads the master's pixels.

    Raises:
        MasterLost: it is gone; the picture has to be drawn again.
    """
    try:
        body = context.resources.objects.get(context.job.master_key)
    except ObjectNotFound as exc:
        raise MasterLost from exc
    return replace(decoded(picture, body), master_key=context.job.master_key)


def decoded(picture: Picture, master: bytes) -> Picture:
    """Returns the picture with a master's pixels and the time at which they were drawn."""
    with Image.open(io.BytesIO(master), formats=(FORMAT, KEPT_FORMAT)) as image:
        return replace(picture, pixels=np.asarray(image), drawn_at=_drawn_at(image))


def keep_for_reuse(picture: Picture, context: Context) -> Picture:
    """Stores the pixels of a safe picture for the semantic cache if its recipe has a cache entry. A flag prevents it."""
    entry_id, verdict = context.job.recipe.cache_entry_id, picture.verdict
    if not entry_id or verdict is None or not verdict.safe or verdict.flags:
        return picture
    key = f"cache/{entry_id}/{context.job.fence}.{KEPT_FORMAT}"
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, KEPT_FORMAT, compress_level=1, exif=_exif(picture.drawn_at))
    context.resources.objects.put(key, file.getvalue(), f"image/{KEPT_FORMAT}")
    digest = context.resources.policy_digests[context.job.recipe.ruleset]
    kept = CachedMaster(key=key, size_bytes=file.tell(), policy_digest=digest, codes=verdict.codes)
    return replace(picture, kept=kept)


def _exif(drawn_at: float | None) -> Image.Exif:
    exif = Image.Exif()
    if drawn_at is not None:
        exif[_DATE_TIME] = time.strftime(_TIME_FORMAT, time.gmtime(drawn_at))
    return exif


def _drawn_at(image: Image.Image) -> float | None:
    written = image.getexif().get(_DATE_TIME)
    return None if written is None else float(calendar.timegm(time.strptime(written, _TIME_FORMAT)))
