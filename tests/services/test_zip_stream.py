"""Archives of pictures, read back by the standard library."""

import io
import zipfile

import pytest

from imgen.domain.errors import Retryable
from imgen.domain.outcome import StoredImage
from imgen.objects.disk import DiskStore
from imgen.services.zip_stream import MISSING, zip_pictures

NOW = 1_795_000_000.0


def image(name):
    return StoredImage(key=f"pictures/ten_1/{name}", filename=name, type="signed")


async def chunks_of(core, *names):
    return [chunk async for chunk in zip_pictures(core, [image(name) for name in names], now=NOW)]


def test_files_arrive_as_stored_one_at_a_time(core):
    """Each file is a chunk of its own, byte for byte; readers that check every sum accept the archive."""
    bodies = {f"g_{number}.jpg": bytes([number]) * 5000 for number in range(3)}

    async def work(core):
        for name, body in bodies.items():
            core.objects.put(image(name).key, body, "image/jpeg")
        return await chunks_of(core, *bodies)

    chunks = core(work)
    assert len(chunks) == len(bodies) + 1
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == bodies
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_files_that_are_gone_are_listed(core):
    """Pictures that retention has deleted meanwhile are named in a list, and the rest is there."""

    async def work(core):
        core.objects.put(image("a.jpg").key, b"a", "image/jpeg")
        return await chunks_of(core, "gone.jpg", "a.jpg")

    with zipfile.ZipFile(io.BytesIO(b"".join(core(work)))) as archive:
        assert archive.namelist() == ["a.jpg", MISSING]
        assert b"gone.jpg" in archive.read(MISSING)


class AwayStore(DiskStore):
    """A store whose disk has gone."""

    def get(self, key):
        raise Retryable(f"Input/output error: {key}")


def test_a_store_that_is_away_breaks_the_archive_off(core):
    """An archive without its pictures is never whole: the error goes through, before the first byte here."""

    async def work(core):
        core.objects.__class__ = AwayStore
        with pytest.raises(Retryable):
            await chunks_of(core, "a.jpg")

    core(work)
