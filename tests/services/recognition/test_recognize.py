"""Recognition of finished pictures after what platforms, editors and forgers do to them; of no other tenant's."""

import asyncio
import hashlib
import io
import json

import numpy as np
import pytest
from factories import make_manifest
from msgspec import structs
from PIL import Image
from submitting import submit_repaired

from imgen.domain.errors import InvalidField, Unavailable
from imgen.domain.request import GenerateRequest
from imgen.provenance import encoding, watermark
from imgen.provenance.development_chain import make_development_chain
from imgen.provenance.inspection import inspect_picture
from imgen.provenance.signer import open_signer
from imgen.records import jobs
from imgen.records.tables.picture_records import picture_records as rows
from imgen.services import retention
from imgen.services.recognition.known_sizes import KnownSizes
from imgen.services.recognition.recognize import reading_of, recognize
from imgen.threads import RECOGNITION
from starter.draw.picture import render
from starter.scene import draw_lots
from workers import tasks
from workers.resources import open_resources

SEGMENT = 0xFF
APP11, START_OF_SCAN = 0xEB, 0xDA


async def finished(core, principal, prompt="red coat", seed=None):
    """A finished job of a new picture, and its signed file."""
    made = await submit_repaired(core, principal, GenerateRequest(prompt=prompt, seed=seed), surface="action")
    (job,) = made.jobs
    resources = open_resources(core.settings)
    try:
        for phase in (tasks.RENDER, tasks.FINISH):
            await asyncio.to_thread(tasks.run_phase, resources, phase, job.id)
    finally:
        resources.close()
    ended = await core.database.reading(jobs.find, job.id)
    return ended, core.objects.get(ended.outcome.images[0].key)


async def verdict(core, principal, body, **options):
    return await recognize(core, lambda: body, scope=frozenset({principal.tenant.id}), **options)


def marked(watermark_id, size):
    """A smooth picture with a watermark."""
    noise = np.random.default_rng(1).integers(0, 256, (12, 21, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC))
    return Image.fromarray(watermark.embed(smooth, watermark_id))


def pixels_of(body):
    with Image.open(io.BytesIO(body)) as image:
        return np.asarray(image.convert("RGB"))


def jpeg(pixels, quality=90):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def stripped(body, quality=90):
    """The picture as a platform saves it anew: without any metadata."""
    return jpeg(pixels_of(body), quality)


def barely_lost(body):
    """The picture at the best JPEG quality at which its watermark cannot be read any more."""
    worse = (stripped(body, quality) for quality in range(50, 20, -1))
    return next(one for one in worse if inspect_picture(one).watermark.id is None)


def with_credentials_of(signed, other):
    """A JPEG with the credentials of another one."""
    segments, at = b"", 2
    while signed[at + 1] != START_OF_SCAN:
        end = at + 2 + int.from_bytes(signed[at + 2 : at + 4])
        if signed[at + 1] == APP11:
            segments += signed[at:end]
        at = end
    return other[:2] + segments + other[2:]


def test_a_picture_is_known_with_and_without_its_credentials(core, caller):
    """The signed file is proven; saved anew it is ours; recoloured beyond the watermark's reach still likely."""

    async def work(core):
        principal = caller(core)
        job, body = await finished(core, principal)
        found = [await verdict(core, principal, one) for one in (body, stripped(body), stripped(body, 10))]
        return job, found

    job, (proven, ours, likely) = core(work)
    assert (proven.origin.verdict, ours.origin.verdict, likely.origin.verdict) == ("proven", "ours", "likely")
    assert {one.picture.gen_id for one in (proven, ours, likely)} == {job.gen_id}
    assert ours.found.watermark.id == job.watermark_id
    assert 0 <= ours.distance <= likely.distance <= 31
    assert proven.found.credentials.state == "Trusted"


def test_another_tenants_picture_is_as_unknown_as_anybodys(core, caller):
    """Neither the record nor its distance is told."""

    async def work(core):
        owner, other = caller(core, "studio"), caller(core, "rival")
        _, body = await finished(core, owner)
        return [await verdict(core, other, one) for one in (body, stripped(body))]

    for found in core(work):
        assert (found.origin.verdict, found.picture, found.distance) == ("unknown", None, None)


def test_credentials_that_were_copied_onto_another_picture_are_forged(core, caller):
    """The verdict names the picture that they were taken from."""

    async def work(core):
        principal = caller(core)
        job, body = await finished(core, principal)
        noise = np.random.default_rng(1).integers(0, 256, (768, 1344, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(noise[::64, ::64]).resize((1344, 768), Image.Resampling.BICUBIC))
        return job, await verdict(core, principal, with_credentials_of(body, jpeg(smooth)))

    job, found = core(work)
    assert found.found.credentials.state == "Invalid"
    assert (found.origin.verdict, found.picture.gen_id) == ("forged", job.gen_id)


def test_foreign_credentials_on_our_picture_are_forged(core, caller, tmp_path):
    """They are whole, by another signer, and say nothing of ours; the watermark does."""

    async def work(core):
        principal = caller(core)
        job, body = await finished(core, principal)
        folder = tmp_path / "foreign"
        make_development_chain(folder)
        foreign = open_signer((folder / "chain.pem").read_bytes(), (folder / "key.pem").read_bytes())
        signed = foreign.sign(stripped(body, 95), "image/jpeg", make_manifest()).body
        return job, await verdict(core, principal, signed)

    job, found = core(work)
    assert found.found.credentials.state == "Valid"
    assert (found.origin.verdict, found.picture.gen_id) == ("forged", job.gen_id)


def test_a_deleted_picture_is_known_by_its_tombstone(core, caller):
    """By the watermark alone: the fingerprint is gone."""

    async def work(core):
        principal = caller(core)
        job, body = await finished(core, principal)
        await retention.delete_job(core, job)
        return job, await verdict(core, principal, stripped(body)), hashlib.sha256(body).hexdigest()

    job, found, digest = core(work)
    assert (found.origin.verdict, found.picture.gen_id, found.distance) == ("likely", job.gen_id, None)
    assert (found.picture.sha256, found.picture.manifest_key) == (digest, "")
    assert found.picture.removed_at is not None


def test_a_faint_watermark_is_confirmed_where_a_picture_of_the_tenant_is_alike(core, caller):
    """Strong compression: the id is not read, but the one of the like picture is; another tenant's stays unknown."""

    async def work(core):
        owner, other = caller(core, "studio"), caller(core, "rival")
        job, body = await finished(core, owner)
        faint = barely_lost(body)
        return job, inspect_picture(faint), await verdict(core, owner, faint), await verdict(core, other, faint)

    job, read, own, foreign = core(work)
    assert read.watermark.id is None
    assert (own.origin.verdict, own.picture.gen_id) == ("ours", job.gen_id)
    assert (own.found.watermark.id, own.found.watermark.search) == (job.watermark_id, "candidate")
    assert (foreign.origin.verdict, foreign.picture, foreign.found.watermark.id) == ("unknown", None, None)


def test_a_deep_search_lays_a_part_upon_the_thumbnail(core, caller):
    """Cut and made smaller, it is like no fingerprint; its own picture is among the closest."""

    async def work(core):
        principal = caller(core)
        job, _ = await finished(core, principal)
        await finished(core, principal, "blue hat")
        thumbnail = next(image for image in job.outcome.images if image.type == "thumbnail")
        # The tests' engine draws nothing that has features
        drawn = render(draw_lots(np.random.default_rng(1)), job.outcome.meta.width, job.outcome.meta.height)
        marked = Image.fromarray(watermark.embed(drawn, job.watermark_id))
        core.objects.delete(thumbnail.key)  # a key that is there is left as it is
        core.objects.put(thumbnail.key, encoding.thumbnail(np.asarray(marked), "jpeg"), "image/jpeg")
        box = (130, 40, 1210, 680)
        part = jpeg(np.asarray(marked.resize((648, 384), Image.Resampling.LANCZOS, box)), 75)
        plain, deep = [await verdict(core, principal, part, is_deep=is_deep) for is_deep in (False, True)]
        return job, plain, deep

    job, plain, deep = core(work)
    assert (plain.origin.verdict, plain.picture) == ("unknown", None)
    assert (deep.origin.verdict, deep.picture.gen_id) == ("likely", job.gen_id)
    assert deep.found.watermark.search == "candidate"


def test_a_picture_of_nobodys_is_unknown_and_what_is_none_is_refused(core, caller):
    """A plain one is like no other, whatever its hash says."""

    async def work(core):
        principal = caller(core)
        await finished(core, principal)
        plain = await verdict(core, principal, jpeg(np.full((768, 1344, 3), 200, np.uint8)))
        with pytest.raises(InvalidField):
            await verdict(core, principal, b"<svg/>")
        return plain

    found = core(work)
    assert (found.origin.verdict, found.picture) == ("unknown", None)
    assert found.found.credentials.state == "None"


def test_all_that_points_to_pictures_is_told_in_order(core, caller):
    """Each picture once, with every sign of it; those whose fingerprint alone is alike come last, the nearest first."""

    async def work(core):
        principal = caller(core)
        first, body = await finished(core, principal, seed=7)
        second, _ = await finished(core, principal, seed=7)  # of the same pixels but for the watermark
        found = [await verdict(core, principal, one) for one in (body, stripped(body))]
        everybodys = await recognize(core, lambda: body, scope=None)
        nobodys = await recognize(core, lambda: body, scope=frozenset())
        return first, second, found, everybodys, nobodys

    first, second, (signed, bare), everybodys, nobodys = core(work)
    told = [[(one.picture.gen_id, one.signs) for one in found.matches] for found in (signed, bare)]
    assert told[0] == [
        (first.gen_id, ("credentials", "watermark", "fingerprint")),
        (second.gen_id, ("fingerprint",)),
    ]
    assert told[1] == [(first.gen_id, ("watermark", "fingerprint")), (second.gen_id, ("fingerprint",))]
    assert all(one.distance <= 31 for one in signed.matches)
    assert everybodys.matches == signed.matches
    assert (nobodys.matches, nobodys.origin.verdict) == ((), "unknown")


def test_a_picture_of_a_size_of_before_is_restored_to_it(core, caller):
    """No model of today makes that size; the records know it."""

    async def work(core):
        principal = caller(core)
        job, _ = await finished(core, principal)
        picture = marked(job.watermark_id, (1016, 640))
        sent = jpeg(np.asarray(picture.resize((762, 480), Image.Resampling.LANCZOS)), 90)
        before = await verdict(core, principal, sent)
        changed = rows.update().values(width=1016, height=640)
        await core.database.writing(lambda connection: connection.execute(changed))
        core.known_sizes = KnownSizes(core.database)  # as after an hour
        return job, before, await verdict(core, principal, sent)

    job, before, after = core(work)
    assert before.found.watermark.id is None
    assert (after.found.watermark.id, after.found.watermark.search) == (job.watermark_id, "restored")
    assert after.origin.verdict == "likely"


def test_sizes_are_read_again_after_an_hour_or_for_another_catalog(core, caller):
    """Not before: a search costs no statement of SQL for them."""

    async def work(core):
        await finished(core, caller(core))
        now = [0.0]
        known = KnownSizes(core.database, lambda: now[0])
        told = [(1000, 640) in known.of(core.catalog)]
        changed = rows.update().values(width=1000, height=640)
        await core.database.writing(lambda connection: connection.execute(changed))
        for now[0], catalog in (
            (3000.0, core.catalog),
            (3000.0, structs.replace(core.catalog)),
            (9000.0, core.catalog),
        ):
            told.append((1000, 640) in known.of(catalog))
        assert {(1344, 768), (2688, 1536)} <= set(known.of(core.catalog))
        return told

    assert core(work) == [False, False, True, True]


def test_one_thorough_search_runs_at_a_time(core, caller):
    """A second one is refused at once, an ordinary one is answered; then the next has its turn."""

    async def work(core):
        principal = caller(core)
        _, body = await finished(core, principal)
        async with core.deep_search:
            with pytest.raises(Unavailable):
                await verdict(core, principal, body, is_deep=True)
            told = [await verdict(core, principal, body)]
        return [*told, await verdict(core, principal, body, is_deep=True)]

    assert [one.origin.verdict for one in core(work)] == ["proven", "proven"]


def test_a_thorough_search_has_more_time_and_the_same_sizes(core):
    """It looks for what was cut and resized as well; both try the sizes of every model."""

    async def work(core):
        return [await asyncio.to_thread(reading_of, core, is_deep=is_deep) for is_deep in (False, True)]

    plain, deep = core(work)
    assert (plain.is_deep, deep.is_deep) == (False, True)
    assert plain.budget_s < deep.budget_s < RECOGNITION.timeout_s / 2
    assert plain.sizes == deep.sizes
    assert {(1344, 768), (5376, 3072)} <= set(plain.sizes)


def test_the_index_takes_over_from_memory_and_nothing_is_missed(core, caller, tmp_path):
    """A picture in the files, and one that was published after they were built."""

    async def work(core):
        principal = caller(core)
        first, first_body = await finished(core, principal, "red coat")
        known = core.known_fingerprints
        assert not await asyncio.to_thread(known.rebuild_if_due)  # few pictures need no index
        await asyncio.to_thread(known._build)
        second, second_body = await finished(core, principal, "blue hat")
        found = [await verdict(core, principal, stripped(body)) for body in (first_body, second_body)]
        return (first, second), found, len(known._index), len(known._latest)

    made, found, indexed, latest = core(work)
    assert [one.picture.gen_id for one in found] == [job.gen_id for job in made]
    assert [one.origin.verdict for one in found] == ["ours", "ours"]
    assert (indexed, latest) == (1, 2)  # the latest minute is read again
    assert [json.loads(path.read_text())[1] for path in (tmp_path / "var" / "fingerprints").glob("*.json")] == [
        made[0].gen_id
    ]
