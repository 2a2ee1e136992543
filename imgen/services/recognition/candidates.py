"""Candidates: pictures from which one whose watermark was not read may come, by their fingerprints."""

from typing import TYPE_CHECKING

from imgen.domain.errors import ObjectNotFound, Retryable
from imgen.domain.job import Job
from imgen.records import jobs, picture_records
from imgen.records.picture_records import Scope
from imgen.services.core import Core
from imgen.services.recognition.known_fingerprints import KnownPicture

if TYPE_CHECKING:
    from imgen.provenance.watermark_reading.confirmation import Candidate

MAX_COMPARED = 500
"""Pictures of all tenants that are looked up, the nearest first: a cut one lies within 80 bits, others about 128 away."""


def candidates(core: Core, alike: list[KnownPicture], *, scope: Scope) -> "list[Candidate]":
    """Lists the pictures within a scope among those that are alike, with their thumbnails while they are kept, the nearest first.

    What other tenants have costs no work of its own. Blocking: called in a thread.

    Args:
        core: parts of the process.
        alike: pictures of all tenants, the nearest first.
        scope: tenants whose pictures may be told; None: all.

    Raises:
        Retryable: the database does not answer.
    """
    from imgen.provenance.watermark_reading.confirmation import MOST_CANDIDATES, Candidate

    nearest = [one.gen_id for one in alike[:MAX_COMPARED]]
    with core.database.read() as connection:
        known = picture_records.find_all(connection, nearest, scope=scope)
        likeliest = [known[gen_id] for gen_id in nearest if gen_id in known][:MOST_CANDIDATES]
        made = {job.id: job for job in jobs.find_readable(connection, [one.job_id for one in likeliest])}
    return [
        Candidate(
            watermark_id=one.watermark_id,
            size=(one.width, one.height),
            thumbnail=_thumbnail(core, made.get(one.job_id)),
        )
        for one in likeliest
    ]


def _thumbnail(core: Core, job: Job | None) -> bytes:
    """Reads the thumbnail of a job's picture; empty: it is kept no longer, or the object store does not answer."""
    images = job.outcome.images if job and job.outcome else ()
    for image in images:
        if image.type == "thumbnail":
            try:
                return core.objects.get(image.key)
            except (ObjectNotFound, Retryable):
                return b""
    return b""
