"""Picture that a form sends to be looked up. The form's token is checked here: without scripts there is no header for it."""

import os
import secrets
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request

from imgen.asgi.multipart import Form, is_form, read_form
from imgen.domain import errors
from imgen.domain.request import ReadPicture
from imgen.services.uploads import MAX_BYTES
from imgen.surfaces.web.csrf import MAX_FORM_BYTES

PICTURE, DEEP = "picture", "deep"
"""Fields of the form: the file, and the checkbox of a thorough search."""
MAX_MIB = MAX_BYTES // 2**20
UNUSABLE = (
    f"This is no picture that can be read. Choose a PNG, JPEG, WebP or AVIF of at most {MAX_MIB} MiB and 32 megapixels."
)
MISSING = "Choose a picture first: drop one, paste one, or pick a file."
EXPIRED = "This form has expired. Go back and load the page anew."
BUSY = (
    "Too many pictures are being read at this moment, or a part of the service does not answer. Try again in a moment."
)
BUSY_DEEPLY = "A thorough search takes its time, and one runs at a time. Try again in a minute, or search without it."
MINUTE_S = 60


@dataclass(frozen=True, kw_only=True)
class SentPicture:
    """Picture of a form, which is closed with it."""

    form: Form
    read: ReadPicture
    is_deep: bool


async def sent_picture(request: Request) -> SentPicture:
    """Reads the form.

    Raises:
        Invalid: there is no picture in it, or it is malformed.
        TooLarge: it is over the limit.
        Unavailable: the disk is full.
        HTTPException: its token is not that of the page.
        starlette.requests.ClientDisconnect: the browser is gone.
    """
    if not is_form(request.scope):
        raise errors.Invalid(MISSING)
    form = await read_form(request.scope, request.receive, max_bytes=MAX_BYTES + MAX_FORM_BYTES)
    try:
        return _checked(request, form)
    except BaseException:
        form.__exit__()
        raise


def _checked(request: Request, form: Form) -> SentPicture:
    token = form.texts.get("csrftoken", "").encode()
    if not secrets.compare_digest(token, request.scope["csrftoken"]().encode()):
        raise HTTPException(403, EXPIRED)
    file = next((file for file in form.files if file.name == PICTURE), None)
    if file is None or not file.body.seek(0, os.SEEK_END):  # browsers send an empty file where none is chosen
        raise errors.Invalid(MISSING)
    return SentPicture(form=form, read=file.read, is_deep=bool(form.texts.get(DEEP)))


def sentence(error: errors.ImgenError, *, is_deep: bool = False) -> str:
    """Returns an error as advice."""
    if isinstance(error, errors.Retryable):
        return BUSY_DEEPLY if is_deep else BUSY
    if isinstance(error, errors.InvalidField):
        return UNUSABLE
    if isinstance(error, errors.TooLarge):
        return f"This picture is too large to send: choose one of at most {MAX_MIB} MiB."
    if isinstance(error, errors.RateLimited):
        wait_s = error.retry_after_s or MINUTE_S
        wait = f"{wait_s} seconds" if wait_s <= MINUTE_S else f"{-(-wait_s // MINUTE_S)} minutes"
        return f"Too many pictures were sent lately. Try again in {wait}."
    return str(error)
