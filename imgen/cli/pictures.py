"""Pictures among the command line's arguments: files that are sent along, and ids of pictures that the server has."""

import base64
from pathlib import Path

from imgen.domain.errors import Invalid
from imgen.domain.ids import is_job_id, is_upload_id

MAX_BYTES = 8 * 2**20
"""Size of a picture within a request (contract, section 1)."""


def file_or_id(argument: str) -> str:
    """Returns a file as a data URI, or the id of an upload or of a job as it is.

    Raises:
        Invalid: it is neither, or the file cannot be used.
    """
    if is_upload_id(argument) or is_job_id(argument):
        return argument
    if not Path(argument).exists():
        raise Invalid(f"There is no file {argument}, and it is no id of an upload or of a job")
    return file(Path(argument))


def file(path: Path) -> str:
    """Returns a picture file as a data URI.

    Raises:
        Invalid: it cannot be read, is empty, too large, or no PNG, JPEG or WebP.
    """
    from imgen.provenance.untrusted_image import media_type  # Pillow is needed here alone

    try:
        body = path.read_bytes()
    except OSError as exc:
        raise Invalid(f"{path} cannot be read: {exc.strerror}") from exc
    if not body:
        raise Invalid(f"{path} is empty")
    if len(body) > MAX_BYTES:
        raise Invalid(f"{path} has {len(body) / 2**20:.1f} MiB; a picture may have {MAX_BYTES // 2**20}")
    kind = media_type(body)
    if kind not in {"image/png", "image/jpeg", "image/webp"}:
        raise Invalid(f"{path} is no PNG, JPEG or WebP")
    return f"data:{kind};base64,{base64.b64encode(body).decode()}"
