"""Match lists at the gate: a listed source or mask is refused before anything of it is stored.

Workers compare again before it is used: lists grow.
"""

import io
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from imgen.domain.errors import ConfigurationError, InvalidField
from imgen.domain.principal import Principal
from imgen.live import block_penalty
from imgen.threads import PICTURES

if TYPE_CHECKING:
    from imgen.provenance.hash_matcher import HashMatcher
    from imgen.provenance.intake import TakenPicture
    from imgen.services.core import Core

log = structlog.get_logger(__name__)

MAX_SIDE = 2048
"""Pixels of the long edge that are compared, as workers do; PDQ reduces a picture to 64."""


class ListedPictures:
    """Match lists of some folders, read when the first picture comes in."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders
        self._matcher: HashMatcher | None = None
        self._opening = threading.Lock()

    def has(self, body: bytes) -> bool:
        """Returns whether a picture that passed the gate is listed, in whatever form. Call it in a thread.

        Broken lists refuse nothing here: they are logged, and no worker starts with them.
        """
        try:
            matcher = self._opened()
        except ConfigurationError as exc:
            log.warning("pictures are not compared at the gate", reason=str(exc))
            return False
        if matcher.is_empty:
            return False
        import numpy as np  # with Pillow, when the first picture is compared
        from PIL import Image

        from imgen.provenance import outside

        with Image.open(io.BytesIO(body), formats=("PNG",)) as image:
            small = image.convert("RGB")
        small.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS, 3.0)
        return not matcher.judge_views(outside.views(np.asarray(small))).safe

    def _opened(self) -> "HashMatcher":
        from imgen.provenance.hash_matcher import HashMatcher  # numpy is not needed before

        with self._opening:
            if self._matcher is None:
                self._matcher = HashMatcher(self._folders)
            return self._matcher


async def refuse_listed(core: "Core", principal: Principal, picture: "TakenPicture", field: str) -> None:
    """Refuses a listed picture, and counts it as a blocked one of who sent it.

    Raises:
        InvalidField: it is listed.
        Unavailable: Redis does not answer.
    """
    if not await PICTURES.run(core.listed.has, picture.body):
        return
    log.warning("a listed picture was refused", tenant=principal.tenant.id, field=field)
    review, owner = core.settings.review, principal.quota_owner
    blocks = await core.live.run(block_penalty.count_block(owner))
    pause_s = block_penalty.pause_s(
        blocks, free=review.free_blocks, first_s=review.slow_down_s, longest_s=review.longest_slow_down_s
    )
    if pause_s:
        await core.live.run(block_penalty.penalize(owner, pause_s))
    raise InvalidField(field)
