"""Master: the lossless, unbranded render, in the object store between the two phases of its job.

It carries what is told of every picture made from it: the time at which it was drawn, parameters without effect, what a remote
engine told, and what enlarged it.

It is the PNG of a remote engine as it came, where no stage has changed a pixel: encoding it anew costs more than all else of such
a job. Any other is encoded here.
"""

import calendar
import io
import json
import time
from dataclasses import replace

import msgspec
import numpy as np
import structlog
from msgspec import structs
from PIL import Image

from imgen.domain.errors import MasterLost, ObjectNotFound, Retryable
from imgen.domain.outcome import DrawnElsewhere
from imgen.objects import ObjectStore
from imgen.provenance.plain_rgb import with_exif
from workers import spool
from workers.picture import CachedMaster, Context, Picture

FORMAT = "webp"
"""Lossless. At its least effort it is smaller than PNG at its fastest: about 35 ms and 1.1 MB at 1344×768, two seconds and
10–23 MB at 4096², where a TIFF without compression has 50."""

_OPTIONS = {"lossless": True, "quality": 0, "method": 0}
"""Quality is the effort here."""

_READ_FORMATS = ("WEBP", "PNG", "TIFF")
"""Formats of masters: today's two, and the one that earlier versions wrote to the semantic cache and between the phases."""

_SOFTWARE = 0x0131
"""Number of the EXIF tag for the upscaler."""

_DESCRIPTION = 0x010E
"""Number of the EXIF tag for the parameters that had no effect, separated by commas."""

_MAKER = 0x010F
"""Number of the EXIF tag for what a remote engine told, as JSON."""

_DATE_TIME = 0x0132
"""Number of the EXIF tag for the time of drawing; it is UTC here."""

_TIME_FORMAT = "%Y:%m:%d %H:%M:%S"

log = structlog.get_logger(__name__)


def keep(picture: Picture, context: Context) -> Picture:
    """Stores the pixels under a key of job and fence, so that no two attempts write the same object.

    Raises:
        Retryable: the object store did not take them; they are kept on this host for the next attempt.
    """
    body, kind = _encoded(picture)
    key = f"work/{context.job.id}/{context.job.fence}.{kind}"
    data_dir = context.resources.settings.data_dir
    try:
        _put(context.resources.objects, key, body, picture.answer_file, kind)
    except Retryable:
        spool.save(data_dir, context.job.id, body, picture.answer_file)
        raise
    spool.discard(data_dir, context.job.id)
    return replace(picture, master_key=key)


def fetch(picture: Picture, context: Context) -> Picture:
    """Reads the master's pixels, and the remote engine's file beside it.

    Raises:
        MasterLost: it is gone; the picture has to be drawn again.
    """
    objects, key = context.resources.objects, context.job.master_key
    try:
        body = objects.get(key)
    except ObjectNotFound as exc:
        raise MasterLost from exc
    fetched = replace(decoded(picture, body), master_key=key)
    if fetched.elsewhere is None or not fetched.elsewhere.has_credentials:
        return fetched
    return replace(fetched, answer_file=_answer_file(objects, key))


def decoded(picture: Picture, master: bytes) -> Picture:
    """Returns the picture with a master's pixels, and all that it tells of them."""
    with Image.open(io.BytesIO(master), formats=_READ_FORMATS) as image:
        exif = image.getexif()
        return replace(
            picture,
            pixels=np.asarray(image),
            drawn_at=_drawn_at(exif),
            idle=tuple(filter(None, str(exif.get(_DESCRIPTION, "")).split(","))),
            upscaler=str(exif.get(_SOFTWARE, "")),
            elsewhere=_elsewhere(exif),
        )


def keep_for_reuse(picture: Picture, context: Context) -> Picture:
    """Stores a safe picture's master for the semantic cache if its recipe has a cache entry. A flag prevents it."""
    entry_id, verdict = context.job.recipe.cache_entry_id, picture.verdict
    if not entry_id or verdict is None or not verdict.safe or verdict.flags:
        return picture
    body, kind = _encoded(picture)
    key = f"cache/{entry_id}/{context.job.fence}.{kind}"
    _put(context.resources.objects, key, body, picture.answer_file, kind)
    digest = context.resources.policy_digests[context.job.recipe.ruleset]
    size_bytes = len(body) + len(picture.answer_file)
    kept = CachedMaster(key=key, size_bytes=size_bytes, policy_digest=digest, codes=verdict.codes)
    return replace(picture, kept=kept)


def answer_key(master_key: str) -> str:
    """Returns the key of the remote engine's file beside a master."""
    return f"{master_key.rpartition('.')[0]}.answer"


def _put(objects: ObjectStore, key: str, body: bytes, answer_file: bytes, kind: str) -> None:
    if answer_file:  # first: a master without it would be taken for one that has none
        objects.put(answer_key(key), answer_file, "application/octet-stream")
    objects.put(key, body, f"image/{kind}")


def _answer_file(objects: ObjectStore, key: str) -> bytes:
    """Reads the remote engine's file; empty: it is gone, and the picture is finished without its credentials."""
    try:
        return objects.get(answer_key(key))
    except ObjectNotFound:
        log.warning("the credentials of an engine's picture are gone", key=answer_key(key))
        return b""


def _encoded(picture: Picture) -> tuple[bytes, str]:
    """Returns the file and its format, in lower case."""
    exif = _told(picture)
    if picture.drawn_png:
        return with_exif(picture.drawn_png, exif.tobytes() if len(exif) else b""), "png"
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, FORMAT, exif=exif, **_OPTIONS)
    return file.getvalue(), FORMAT


def _told(picture: Picture) -> Image.Exif:
    exif = Image.Exif()
    if picture.drawn_at is not None:
        exif[_DATE_TIME] = time.strftime(_TIME_FORMAT, time.gmtime(picture.drawn_at))
    if picture.idle:
        exif[_DESCRIPTION] = ",".join(picture.idle)
    if picture.upscaler:
        exif[_SOFTWARE] = picture.upscaler
    if picture.elsewhere is not None:
        told = structs.replace(picture.elsewhere, has_credentials=bool(picture.answer_file))
        exif[_MAKER] = json.dumps(msgspec.to_builtins(told))  # ASCII, as EXIF wants it
    return exif


def _drawn_at(exif: Image.Exif) -> float | None:
    written = exif.get(_DATE_TIME)
    return None if written is None else float(calendar.timegm(time.strptime(written, _TIME_FORMAT)))


def _elsewhere(exif: Image.Exif) -> DrawnElsewhere | None:
    written = exif.get(_MAKER)
    return None if written is None else msgspec.json.decode(str(written), type=DrawnElsewhere)
