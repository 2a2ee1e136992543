"""Pictures among the command line's arguments: files that are sent along, and ids of pictures that the server has."""

import base64
from pathlib import Path

from imgen.cli.client import Client
from imgen.domain.errors import Invalid
from imgen.domain.ids import is_job_id, is_upload_id, stored_id

MAX_BYTES = 32 * 2**20
"""Size of an upload (contract, section 1)."""
MAX_INLINE_BYTES = 4 * 2**20
"""Size of a picture that is sent within the request, of which the server takes 12 MiB: two of these fit, in base64."""


def file_or_id(argument: str) -> bytes | str:
    """Returns the bytes of a file, or the id of an upload or of a job, of either form, as the action API writes it.

    Raises:
        Invalid: it is neither, or the file cannot be used.
    """
    if is_upload_id(argument) or is_job_id(stored_id(argument)):
        return stored_id(argument)
    if not Path(argument).exists():
        raise Invalid(f"There is no file {argument}, and it is no id of an upload or of a job")
    return read(Path(argument))


def read(path: Path) -> bytes:
    """Reads a picture file.

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
    if media_type(body) not in {"image/png", "image/jpeg", "image/webp"}:
        raise Invalid(f"{path} is no PNG, JPEG or WebP")
    return body


def send(client: Client, picture: bytes | str) -> str:
    """Returns the value of a request's field: an id as it is, a small file as a data URI, a large one uploaded.

    Raises:
        ServerError: the server took no upload.
    """
    if isinstance(picture, str):
        return picture
    if len(picture) > MAX_INLINE_BYTES:
        return client.upload(picture)
    return f"data:application/octet-stream;base64,{base64.b64encode(picture).decode()}"
