"""Recognition of finished pictures after what platforms, editors and forgers do to them; of no other tenant's."""

import hashlib

import numpy as np
import pytest
from factories import make_manifest
from PIL import Image
from services.recognition.pictures import (
    finished,
    jpeg,
    stripped,
    verdict,
    with_credentials_of,
)

from imgen.domain.errors import InvalidField
from imgen.provenance.development_chain import make_development_chain
from imgen.provenance.signer import open_signer
from imgen.services import retention
from imgen.services.recognition.recognize import recognize


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
