"""Sources and masks: read through the gate, stored last, kept as long as a job may need them; nobody gets another tenant's."""

import io
import os
import time

import pytest
from bombs import saved
from msgspec import structs
from PIL import Image
from submitting import submit_repaired

from imgen.domain.errors import CacheMiss, EnhancementFailed, ImgenError, Invalid, InvalidField
from imgen.domain.ids import new_job_id, new_upload_id
from imgen.domain.job import State
from imgen.domain.outcome import Outcome, StoredImage
from imgen.domain.request import GenerateRequest
from imgen.records import job_transitions, jobs, uploads
from imgen.records.tables.jobs import jobs as table
from imgen.records.uploads import Upload
from imgen.services import retention, submit
from imgen.services.input_files import alpha_key

DAY_S = 86400
RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(colour=RED, size=(96, 64), file_format="PNG"):
    return saved(Image.new("RGB", size, colour), file_format)


async def make(core, principal, **fields):
    fields = {"prompt": "vase", "image": picture, **fields}
    return await submit_repaired(core, principal, GenerateRequest(**fields), surface="action")


def inputs_of(job):
    return {given.role: given for given in job.recipe.diffusion.inputs}


def stored(core):
    return [one.key for one in core.objects.list("inputs/")]


def opened_file(core, key):
    return Image.open(io.BytesIO(core.objects.get(key)))


def keep_upload(core, principal, body, *, created_at=None):
    """An upload with its file, as the action makes it."""
    key = f"inputs/{principal.tenant.id}/2026-01-01/{'ab' * 32}"
    core.objects.put(key, body, "image/png")
    width, height = Image.open(io.BytesIO(body)).size
    upload = Upload(
        id=new_upload_id(), tenant_id=principal.tenant.id, key=key, original_key=f"{key}.cd.original", sha256="ef" * 32,
        width=width, height=height, size_bytes=len(body), created_at=core.clock() if created_at is None else created_at,
    )  # fmt: skip
    core.database.attempt(uploads.add, upload)
    return upload


def end(core, job, state=State.COMPLETED, *, days_ago=0.0, images=()):
    at = time.time() - days_ago * DAY_S
    job = structs.replace(job, state=State.FINISHING)
    with core.database.write() as connection:
        connection.execute(table.update().where(table.c.id == job.id).values(state=job.state))
    return core.database.attempt(job_transitions.end, job, state, Outcome(images=images), now=at)


def age(core, days):
    at = time.time() - days * DAY_S
    for key in stored(core):
        os.utime(core.settings.data_dir / "objects" / key, (at, at))


def test_a_source_and_a_mask_are_the_recipes(core, caller):
    """With their keys, digests, strength; the mask is as large as the source, and the size is the nearest to its ratio."""

    async def work(opened):
        principal = caller(opened)
        mask = saved(Image.new("L", (40, 40), 255), "PNG")
        made = await make(opened, principal, mask=lambda: mask, image_strength=0.3, upscale=2)
        diffusion, given = made.job.recipe.diffusion, inputs_of(made.job)
        assert (diffusion.width, diffusion.height, diffusion.upscale, made.warnings) == (1216, 832, 2, ())
        assert (given["source"].strength, list(given)) == (0.3, ["source", "mask"])
        assert opened_file(opened, given["source"].key).getpixel((5, 5)) == RED
        assert (opened_file(opened, given["mask"].key).mode, opened_file(opened, given["mask"].key).size) == (
            "L",
            (96, 64),
        )
        black = saved(Image.new("RGB", (40, 40), (120, 120, 120)), "JPEG")
        assert (await make(opened, principal, mask=lambda: black)).warnings == ("mask",)
        for one in given.values():
            assert one.key.startswith(f"inputs/{principal.tenant.id}/")
            assert one.key.endswith(one.sha256)
        assert opened.database.attempt(jobs.find, made.job.id).recipe == made.job.recipe

    core(work)


def test_a_file_is_stored_once_for_a_tenant(core, caller):
    """By its content; two tenants share nothing."""

    async def work(opened):
        for who in (caller(opened), caller(opened, "other")):
            for colour in (RED, RED, BLUE):
                await make(opened, who, image=lambda colour=colour: picture(colour))
        assert len(stored(opened)) == 4

    core(work)


def test_an_upload_is_used_as_it_is_stored(core, caller):
    """As a source by its key, as a mask by its luma; no other tenant can use it, and nobody after a day."""

    async def work(opened):
        principal, other = caller(opened), caller(opened, "other")
        upload = keep_upload(opened, principal, picture((255, 255, 255), (64, 64)))
        made = await make(opened, principal, image=upload.id, mask=upload.id)
        source, mask = inputs_of(made.job).values()
        assert (source.key, source.original_key) == (upload.key, upload.original_key)
        assert opened_file(opened, mask.key).getextrema() == (255, 255)
        old = keep_upload(opened, principal, picture(), created_at=opened.clock() - DAY_S - 1)
        before = stored(opened)
        for who, sent in ((other, upload.id), (principal, old.id), (principal, new_upload_id())):
            with pytest.raises(InvalidField, match="^Invalid image$"):
                await make(opened, who, image=sent)
            with pytest.raises(InvalidField, match="^Invalid mask$"):
                await make(opened, who, mask=sent)
        assert stored(opened) == before

    core(work)


def test_a_finished_picture_is_a_source(core, caller):
    """By its job's id, whatever its format; one that is not finished, withheld, deleted or another tenant's is none."""

    async def work(opened):
        principal, other = caller(opened), caller(opened, "other")
        first = (await make(opened, principal, image=None)).job
        with pytest.raises(InvalidField, match="^Invalid image$"):
            await make(opened, principal, image=first.id)
        opened.objects.put("out/a.avif", picture(BLUE, (64, 64), "AVIF"), "image/avif")
        images = tuple(StoredImage(key=f"out/{name}", filename=name, type=kind) for name, kind in
                       (("t.avif", "thumbnail"), ("a.avif", "signed")))  # fmt: skip
        end(opened, first, images=images)
        made = await make(opened, principal, image=first.id)
        red, _, blue = opened_file(opened, inputs_of(made.job)["source"].key).getpixel((5, 5))
        assert blue - red > 100
        blocked = end(opened, (await make(opened, principal, image=None)).job, State.BLOCKED)
        bare = end(opened, (await make(opened, principal, image=None)).job)
        for who, sent in ((other, first.id), (principal, blocked.id), (principal, bare.id), (principal, new_job_id()),
                          (principal, "cache_" + "0" * 32), (principal, "x"), (principal, "http://localhost/a.png")):  # fmt: skip
            with pytest.raises(InvalidField, match="^Invalid image$"):
                await make(opened, who, image=sent)
        with pytest.raises(InvalidField, match="^Invalid mask$"):
            await make(opened, principal, mask=first.id)  # a picture is no mask
        opened.objects.delete("out/a.avif")
        with pytest.raises(InvalidField, match="^Invalid image$"):
            await make(opened, principal, image=first.id)

    core(work)


class BrokenEnhancer:
    """An enhancer that never answers."""

    async def terms(self, positive, model, style):
        raise EnhancementFailed

    async def close(self):
        pass


@pytest.mark.parametrize(
    "fields",
    [
        {"image": lambda: b"no picture"},
        {"mask": lambda: b"no picture"},
        {"mask": lambda: picture()[:100]},
        {"compliance_ruleset": "nobody's"},
        {"use_cache": True, "cache_only": True},
        {"optimize": True},
        {"wm_image": lambda: b"no picture"},
    ],
    ids=range(7),
)
def test_a_refused_request_leaves_no_file_and_no_row(core, caller, fields):
    """Whatever refuses it."""

    async def work(opened):
        opened.enhancer = BrokenEnhancer()
        principal = caller(opened)
        with pytest.raises(ImgenError):
            await make(opened, principal, **fields)
        assert stored(opened) == []
        with opened.database.read() as connection:
            assert jobs.list_jobs(connection, principal.tenant.id, limit=9, before=None, states=frozenset()) == []

    core(work)


def test_a_picture_with_a_source_is_in_no_cache(core, caller):
    """It is neither looked up nor kept, and that is told; `cache_only` finds nothing."""

    async def work(opened):
        principal = caller(opened)
        made = await make(opened, principal, use_cache=True)
        assert (made.job.recipe.cache_entry_id, made.warnings) == ("", ("use_cache",))
        with pytest.raises(CacheMiss):
            await make(opened, principal, use_cache=True, cache_only=True)

    core(work, '[cache]\nkeep = "all"\n')


def test_a_sweep_keeps_what_a_job_or_an_upload_needs(core, caller):
    """Open jobs, however old, jobs that ended within a day, uploads of a day; the rest goes, originals with their files."""

    async def work(opened):
        principal = caller(opened)
        made = {}
        for number, name in enumerate(("open", "recent", "old")):
            made[name] = (await make(opened, principal, image=lambda number=number: picture((number, 0, 0)))).job
        end(opened, made["recent"], days_ago=0.9)
        end(opened, made["old"], days_ago=1.1)
        keys = {name: inputs_of(job)["source"].key for name, job in made.items()}
        upload = keep_upload(opened, principal, picture())
        for key in (keys["open"], keys["old"], upload.key):
            opened.objects.put(f"{key}.ab.original", b"x", "image/png")
        with opened.database.write() as connection:
            connection.execute(table.update().values(created_at=time.time() - 3 * DAY_S))
        age(opened, 1.5)
        await retention.sweep(opened)
        kept = [keys["open"], f"{keys['open']}.ab.original", keys["recent"], upload.key, f"{upload.key}.ab.original"]
        assert stored(opened) == sorted(kept)
        opened.clock = lambda: time.time() + 2 * DAY_S
        await retention.sweep(opened)
        assert stored(opened) == sorted(kept[:2])
        assert opened.database.attempt(uploads.stored_since, principal.tenant.id, since=0) == (0, 0)

    core(work)


def test_siblings_share_the_files_of_their_source(core, caller):
    """Several enlarged pictures from one source and mask: each job has both, they are stored once and go with the last."""

    async def work(opened):
        principal = caller(opened)
        mask = saved(Image.new("L", (40, 40), 255), "PNG")
        made = await make(opened, principal, mask=lambda: mask, n=3, upscale=4, seed=7)
        assert made.warnings == ()
        given = [job.recipe.diffusion for job in made.jobs]
        assert [(one.seed, one.upscale, one.inputs) for one in given] == [
            (7 + at, 4, given[0].inputs) for at in range(3)
        ]
        assert len(stored(opened)) == 2
        for job in made.jobs[:2]:
            await retention.delete_job(opened, end(opened, job, State.CANCELLED))
        assert sorted(one.key for one in given[2].inputs) == stored(opened)
        await retention.delete_job(opened, end(opened, made.jobs[2], State.CANCELLED))
        assert stored(opened) == []

    core(work)


def test_the_last_job_takes_its_files_along(core, caller):
    """Deleting one of two jobs leaves the files, deleting the other deletes them, unless an upload has one."""

    async def work(opened):
        principal = caller(opened)
        mask = saved(Image.new("L", (40, 40), 255), "PNG")
        pair = [end(opened, (await make(opened, principal, mask=lambda: mask)).job) for _ in range(2)]
        await retention.delete_job(opened, pair[0])
        assert len(stored(opened)) == 2
        await retention.delete_job(opened, pair[1])
        assert stored(opened) == []
        upload = keep_upload(opened, principal, picture())
        await retention.delete_job(opened, end(opened, (await make(opened, principal, image=upload.id)).job))
        assert stored(opened) == [upload.key]
        opened.objects.put(alpha_key(upload.key), picture(), "image/png")
        job = end(opened, (await make(opened, principal, image=upload.id)).job)
        opened.database.attempt(uploads.delete, upload.id)
        await retention.delete_job(opened, job)
        assert stored(opened) == []

    core(work)


def test_a_retry_has_files_of_its_own_day(core, caller):
    """An earlier job's inputs are stored anew with their originals; where one is gone the caller is told to send it again."""

    async def work(opened):
        principal = caller(opened)
        job = end(opened, (await make(opened, principal)).job, days_ago=1.1)
        given = inputs_of(job)["source"]
        with_original = structs.replace(given, original_key=f"{given.key}.ab.original")
        opened.objects.put(with_original.original_key, b"original", "image/png")
        diffusion = structs.replace(job.recipe.diffusion, inputs=(with_original,))
        job = structs.replace(job, recipe=structs.replace(job.recipe, diffusion=diffusion))
        now = opened.clock()
        opened.clock = lambda: now + DAY_S
        again = await submit.resubmit(opened, principal, job, surface="panel")
        renewed = inputs_of(again)["source"]
        assert (renewed.key != given.key, renewed.sha256, renewed.strength) == (True, given.sha256, given.strength)
        assert opened.objects.get(renewed.original_key) == b"original"
        assert opened.objects.get(renewed.key) == opened.objects.get(given.key)
        opened.objects.delete(given.key)
        with pytest.raises(Invalid, match="source of this job is not stored any more"):
            await submit.resubmit(opened, principal, job, surface="panel")

    core(work)
