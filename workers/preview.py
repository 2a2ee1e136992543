"""Shows the person who waits what the picture is going to be: colours and shapes, 48 pixels, while they watch.

No reviewer has seen it yet. At this size nobody can use it, and nothing of it is stored (docs/review.md).
"""

import contextlib
import io
import time

from PIL import Image

from imgen.domain.errors import Unavailable
from imgen.domain.job import Job
from imgen.live import previews
from workers.engines import DrawPreview
from workers.workshop import Workshop

EDGE = 48
"""Pixels of the longer edge."""
EVERY_S = 0.5


class Preview:
    """Of one job, while it is drawn."""

    def __init__(self, workshop: Workshop, job: Job) -> None:
        self._live = workshop.live
        self._is_on = workshop.settings.workers.previews
        self._job_id = job.id
        self._asked_at = 0.0

    def offer(self, draw_preview: DrawPreview) -> None:
        """Has the engine draw one if somebody watches, twice a second at most. Redis may be down: then nobody sees it."""
        now = time.monotonic()
        if not self._is_on or now - self._asked_at < EVERY_S:
            return
        self._asked_at = now
        with contextlib.suppress(Unavailable):
            if not self._live.run(previews.is_watched(self._job_id)):
                return
            pixels = draw_preview()
            if pixels is not None:
                self._live.run(previews.show(self._job_id, _small(Image.fromarray(pixels))))


def _small(picture: Image.Image) -> bytes:
    """A JPEG file of about a kilobyte."""
    picture.thumbnail((EDGE, EDGE), Image.Resampling.BOX)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return file.getvalue()
