"""Capabilities that a worker process tells of its queues' models: those of the configuration and the files as they are now."""

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog
from msgspec import structs

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

    def __init__(
        self, settings: Settings, queues: tuple[str, ...], *, batch_limits: Mapping[str, int] | None = None
    ) -> None:
        """Takes the limits of `WorkerResources.batch_limits`, which a render may lower at any time."""
        self._settings = settings
        self._queues = queues
        self._batch_limits = {} if batch_limits is None else batch_limits
        self._catalog: Catalog | None = None
        self._epoch: bytes | None = None

    def now(self, live: BlockingExecutor) -> dict[str, Capabilities]:
        """Returns the present capabilities: the batch is that of the loaded engine, or what memory sufficed for.

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
            known = engines.capabilities(models, engine_context(self._settings, self._catalog))
            return {key: self._limited(key, able) for key, able in known.items()}
        return {}

    def _limited(self, key: str, able: Capabilities) -> Capabilities:
        return structs.replace(able, batch=min(able.batch, self._batch_limits.get(key, able.batch)))
