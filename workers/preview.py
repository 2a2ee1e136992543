"""Preview of the unfinished picture for the person who waits: colours and shapes, 48 pixels.

It is not reviewed. At this size it is of no use to anybody, and it is not stored (docs/review.md).
"""

import contextlib
import io
import time

from PIL import Image

from imgen.domain.errors import Unavailable
from imgen.domain.job import Job
from imgen.live import previews
from workers.engines import DrawPreview, draw_no_preview
from workers.resources import WorkerResources

EDGE = 48
"""Pixels of the longer edge."""
EVERY_S = 0.5


class Preview:
    """Preview of one job while it is rendered."""

    def __init__(self, resources: WorkerResources, job: Job) -> None:
        self._live = resources.live
        self._is_on = resources.settings.workers.previews
        self._job_id = job.id
        self._asked_at = 0.0

    def offer(self, draw_preview: DrawPreview) -> None:
        """Draws and publishes a preview if somebody watches, twice a second at most. Does nothing if Redis is down."""
        now = time.monotonic()
        if not self._is_on or draw_preview is draw_no_preview or now - self._asked_at < EVERY_S:
            return
        self._asked_at = now
        with contextlib.suppress(Unavailable):
            if not self._live.run(previews.is_watched(self._job_id)):
                return
            pixels = draw_preview()
            if pixels is not None:
                self._live.run(previews.set_preview(self._job_id, _small(Image.fromarray(pixels))))


def _small(picture: Image.Image) -> bytes:
    """Encodes a JPEG file of about a kilobyte."""
    picture.thumbnail((EDGE, EDGE), Image.Resampling.BOX)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return file.getvalue()
