"""Uploads: taken through the gate, stored and recorded, or refused without a trace."""

import asyncio
import functools
import hashlib
import os
import time

import pytest
from bombs import saved
from PIL import Image
from sqlalchemy import func, select
from submitting import submit_repaired

from imgen.domain.errors import ImgenError, InvalidField, QuotaExceeded, RateLimited, TooLarge
from imgen.domain.ids import is_upload_id
from imgen.domain.request import GenerateRequest
from imgen.live import block_penalty
from imgen.objects.disk import DiskStore
from imgen.provenance import intake
from imgen.records.tables.uploads import uploads as table
from imgen.services import input_files, uploads
from imgen.services.input_files import alpha_key


def picture(shade=0, size=(96, 64)):
    return saved(Image.new("RGB", size, (shade, 0, 0)), "PNG")


def size_bytes():
    """Bytes of the picture as it is stored."""
    return len(intake.take_source(picture(), "image", formats=intake.OUTSIDE_FORMATS).body)


def rows(core):
    with core.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def stored(core):
    return [one.key for one in core.objects.list("")]


def test_an_upload_is_a_record_and_a_file(core, caller):
    """With the digest of what was sent and the size after decoding; the same file twice is two records of one file."""

    async def work(opened):
        principal = caller(opened)
        made = [(await uploads.upload(opened, principal, picture)).upload for _ in range(2)]
        for upload in made:
            assert is_upload_id(upload.id)
            assert (upload.width, upload.height, upload.sha256) == (96, 64, hashlib.sha256(picture()).hexdigest())
            assert upload.size_bytes == len(opened.objects.get(upload.key))
        assert made[0].id != made[1].id
        assert (stored(opened), rows(opened)) == ([made[0].key], 2)

    core(work)


def test_the_transparency_of_an_upload_lies_beside_it(core, caller):
    """And counts in its size; it is swept with it."""

    async def work(opened):
        body = saved(Image.new("RGBA", (96, 64), (9, 9, 9, 100)), "PNG")
        upload = (await uploads.upload(opened, caller(opened), lambda: body)).upload
        assert stored(opened) == [upload.key, alpha_key(upload.key)]
        assert upload.size_bytes == sum(len(opened.objects.get(key)) for key in stored(opened))
        for key in stored(opened):
            os.utime(opened.settings.data_dir / "objects" / key, (0, 0))
        opened.clock = lambda: time.time() + 2 * input_files.KEPT_S
        await input_files.sweep(opened)
        assert stored(opened) == []

    core(work)


def test_a_refused_upload_leaves_nothing(core, caller):
    """A file that is no picture, a tenant that must wait, a tenant without space; the last two are not even read."""

    async def work(opened):
        principal, slow = caller(opened), caller(opened, "slow")
        with pytest.raises(InvalidField, match="^Invalid image$"):
            await uploads.upload(opened, principal, lambda: b"no picture")
        await opened.live.run(block_penalty.penalize(slow.tenant.id, 30))

        def read():
            raise AssertionError("the picture was read")

        with pytest.raises(RateLimited):
            await uploads.upload(opened, slow, read)
        assert (stored(opened), rows(opened)) == ([], 0)
        await uploads.upload(opened, principal, picture)
        with pytest.raises(QuotaExceeded) as refused:
            await uploads.upload(opened, principal, read)
        assert 86_300 < refused.value.retry_after_s <= 86_401
        assert rows(opened) == 1
        await uploads.upload(opened, caller(opened, "other"), picture)

    core(work, f"[objects]\nuploads_gib = {size_bytes() / 2**30}\n")


def test_parallel_uploads_do_not_pass_the_limit_together(core, caller):
    """Of many at once those are kept that fit, on either database; one that would not fit alone never is."""

    async def work(opened):
        principal = caller(opened)
        asked = [uploads.upload(opened, principal, functools.partial(picture, shade)) for shade in range(12)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        kept = [one for one in done if not isinstance(one, QuotaExceeded)]
        assert sum(one.upload.size_bytes for one in kept) <= 3 * size_bytes()
        assert len(kept) == len(stored(opened)) == rows(opened) >= 2
        with pytest.raises(TooLarge):
            await uploads.upload(opened, caller(opened, "other"), functools.partial(picture, size=(2000, 2000)))
        assert len(stored(opened)) == len(kept)

    core(work, f"[objects]\nuploads_gib = {3 * size_bytes() / 2**30}\n")


def test_a_store_that_is_away_keeps_no_record(core, caller):
    """That of an upload whose file could not be stored is taken back, and its space with it."""

    class AwayStore(DiskStore):
        def put(self, key, body, content_type):
            raise ImgenError("away")

    async def work(opened):
        opened.objects = AwayStore(
            opened.settings.data_dir / "objects", base_url="http://127.0.0.1:1", secret=bytes(32)
        )
        with pytest.raises(ImgenError):
            await uploads.upload(opened, caller(opened), picture)
        assert rows(opened) == 0

    core(work)


def test_an_upload_with_credentials_keeps_its_file(core, caller):
    """A job that uses it names the original, under a key of its own beside the file's."""

    async def work(opened):
        plain = saved(Image.new("RGB", (96, 64)), "JPEG")
        content = b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa"
        segment = b"\xff\xeb" + (len(content) + 2).to_bytes(2, "big") + content
        body = plain[:2] + segment + plain[2:]
        principal = caller(opened)
        upload = (await uploads.upload(opened, principal, lambda: body)).upload
        assert opened.objects.get(upload.original_key) == body
        assert upload.size_bytes == len(body) + len(opened.objects.get(upload.key))
        request = GenerateRequest(prompt="vase", image=upload.id)
        job = (await submit_repaired(opened, principal, request, surface="action")).job
        assert job.recipe.diffusion.inputs[0].original_key == upload.original_key
        bare = (await uploads.upload(opened, principal, lambda: plain)).upload
        assert (bare.key, bare.original_key) == (upload.key, "")

    core(work)
