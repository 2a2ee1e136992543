"""Archive of finished pictures: a ZIP that is written while it is sent, one picture in memory at a time."""

import io
import time
import zipfile
from collections.abc import AsyncIterator, Sequence

from imgen.domain.errors import ObjectNotFound
from imgen.domain.outcome import StoredImage
from imgen.services.core import Core
from imgen.threads import OBJECTS

MISSING = "missing.txt"
"""Name of the list of files that were gone."""


class Pipe(io.RawIOBase):
    """File that can only be written to; the bytes are taken out at its other end."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        """Returns True."""
        return True

    def write(self, data: object, /) -> int:
        """Keeps the bytes."""
        size = memoryview(data).nbytes  # type: ignore[arg-type]  # zipfile writes bytes
        self._written += data  # type: ignore[arg-type]
        return size

    def take(self) -> bytes:
        """Returns the bytes that were written since the last call."""
        taken = bytes(self._written)
        self._written.clear()
        return taken


async def zip_pictures(core: Core, images: Sequence[StoredImage], *, now: float) -> AsyncIterator[bytes]:
    """Yields a ZIP of the files as they are stored, with a list of those that are gone. They are compressed already.

    Raises:
        Retryable: the object store does not answer; the archive breaks off.
    """
    pipe, missing, at = Pipe(), [], time.gmtime(now)[:6]
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for image in images:
            try:
                body = await OBJECTS.run(core.objects.get, image.key)
            except ObjectNotFound:
                missing.append(image.filename)
                continue
            archive.writestr(zipfile.ZipInfo(image.filename, at), body)
            yield pipe.take()
        if missing:
            archive.writestr(zipfile.ZipInfo(MISSING, at), "\n".join(["These files are gone:", *missing, ""]))
    yield pipe.take()
