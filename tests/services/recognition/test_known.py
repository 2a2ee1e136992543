"""Sizes and fingerprints of published pictures, as recognition knows them."""

import asyncio
import json

import numpy as np
from msgspec import structs
from PIL import Image
from services.recognition.pictures import (
    finished,
    jpeg,
    marked,
    stripped,
    verdict,
)

from imgen.records.tables.picture_records import picture_records as rows
from imgen.services.recognition.known_sizes import KnownSizes


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
