"""Capabilities that a worker process tells of its queues' models, and states of their engines elsewhere, as the files are now."""

import contextlib
from collections.abc import Callable, Mapping

import structlog
from msgspec import structs

from imgen.configuration import load_catalog, load_engines
from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import Catalog, Model
from imgen.domain.engine_options import RemoteOptions
from imgen.domain.errors import ImgenError, RemoteKeyRefused
from imgen.domain.job import render_queue
from imgen.domain.remote_engine import EngineState, RemoteEngine
from imgen.live import epochs
from imgen.live.executors import BlockingExecutor
from imgen.settings import Settings, named_key
from workers import engines
from workers.resources import engine_context

log = structlog.get_logger(__name__)


class ToldCapabilities:
    """Capabilities by model key. The catalog is read again when the configuration's epoch changes, also while no job comes."""

    def __init__(
        self,
        settings: Settings,
        queues: tuple[str, ...],
        *,
        batch_limits: Mapping[str, int] | None = None,
        engine_states: Callable[[], Mapping[str, EngineState]] = dict,
    ) -> None:
        """Takes the limits of `WorkerResources.batch_limits`, which a render may lower at any time, and its `engine_states`."""
        self._settings = settings
        self._queues = queues
        self._batch_limits = {} if batch_limits is None else batch_limits
        self._engine_states = engine_states
        self._catalog: Catalog | None = None
        self._engines: Mapping[str, RemoteEngine] = {}
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
                self._catalog, self._engines = load_catalog(self._settings), load_engines(self._settings)
            except (ImgenError, OSError) as exc:
                log.warning("capabilities are not told anew", reason=str(exc))
        if self._catalog is None:
            return {}
        with contextlib.suppress(OSError):  # of a folder that may not be read: its model's jobs tell
            context = engine_context(self._settings, self._catalog, self._engines)
            known = engines.capabilities(self._models(), context)
            return {key: self._limited(key, able) for key, able in known.items()}
        return {}

    def engines(self) -> dict[str, EngineState]:
        """Returns the states of the engines elsewhere that the models name, by key, as of the latest `now`."""
        choices = [
            one for model in self._models() if isinstance(model.engine, RemoteOptions) for one in model.engine.engines
        ]
        named = [self._engines[one.engine] for one in choices if one.engine in self._engines]
        asked = self._engine_states() if named else {}
        return {one.key: self._without_key(one) or asked.get(one.key, EngineState()) for one in named}

    def _without_key(self, remote: RemoteEngine) -> EngineState | None:
        """Returns the state of an engine whose key this process has not got; None: it has, or none is wanted."""
        if not remote.api_key_env or named_key(remote.api_key_env).get_secret_value():
            return None
        reason = f"The environment of its workers has no {remote.api_key_env}"
        return EngineState(reason=reason, code=RemoteKeyRefused.code)

    def _models(self) -> list[Model]:
        catalog = self._catalog
        return (
            [] if catalog is None else [one for one in catalog.models.values() if render_queue(one.key) in self._queues]
        )

    def _limited(self, key: str, able: Capabilities) -> Capabilities:
        return structs.replace(able, batch=min(able.batch, self._batch_limits.get(key, able.batch)))
