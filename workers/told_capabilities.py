"""Capabilities that a worker process tells of its queues' models: those of the configuration and the files as they are now."""

import contextlib
from typing import TYPE_CHECKING

import structlog

from imgen.configuration import load_catalog
from imgen.domain.capabilities import Capabilities
from imgen.domain.errors import ImgenError
from imgen.domain.job import render_queue
from imgen.live import epochs
from imgen.live.executors import BlockingExecutor
from imgen.settings import Settings
from workers import engines
from workers.resources import engine_context

if TYPE_CHECKING:
    from imgen.domain.catalog import Catalog

log = structlog.get_logger(__name__)


class ToldCapabilities:
    """Capabilities by model key. The catalog is read again when the configuration's epoch changes, also while no job comes."""

    def __init__(self, settings: Settings, queues: tuple[str, ...]) -> None:
        self._settings = settings
        self._queues = queues
        self._catalog: Catalog | None = None
        self._epoch: bytes | None = None

    def now(self, live: BlockingExecutor) -> dict[str, Capabilities]:
        """Returns the present capabilities, a batch that an engine chose when it was loaded included.

        A wrong file of the operator's is left to the jobs: what was told before stays.

        Raises:
            Unavailable: Redis does not answer.
        """
        epoch = live.run(epochs.read(epochs.CONFIGURATION))
        if self._catalog is None or epoch != self._epoch:
            self._epoch = epoch
            try:
                self._catalog = load_catalog(self._settings)
            except (ImgenError, OSError) as exc:
                log.warning("capabilities are not told anew", reason=str(exc))
        if self._catalog is None:
            return {}
        models = [model for model in self._catalog.models.values() if render_queue(model.key) in self._queues]
        with contextlib.suppress(OSError):  # of a folder that may not be read: its model's jobs tell
            return engines.capabilities(models, engine_context(self._settings, self._catalog))
        return {}
