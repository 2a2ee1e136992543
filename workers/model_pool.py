"""Pool of the models that a worker process has loaded, and the loads that failed."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import structlog

from imgen.domain.catalog import Catalog, Model
from imgen.domain.errors import ImgenError, ModelError, ModelNotLoaded
from imgen.domain.remote_engine import RemoteEngine
from imgen.weights.digest import WeightDigests
from workers import engines
from workers.engines import Requirements
from workers.failed_loads import FailedLoads, Files, state_of
from workers.memory_pool import Demand, MemoryPool

log = structlog.get_logger(__name__)


@dataclasses.dataclass(frozen=True)
class _LoadedModel:
    """Entry of the memory pool."""

    model: Model
    engine: engines.Engine
    requirements: Requirements
    weights: Mapping[str, str]
    """Digests of its weights and of its own components, by name; none: it draws without weights."""

    @property
    def memory_bytes(self) -> int:
        return self.engine.memory_bytes

    def unload(self) -> None:
        self.engine.unload()


class ModelPool:
    """Models of one process, by key; the memory is shared with whatever else is in `memory`."""

    def __init__(
        self, context: engines.EngineContext, memory: MemoryPool, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.memory = memory
        self._context = context
        self._clock = clock
        self.failed = FailedLoads(clock)
        """Loads of models, and of whatever else is in `memory`, that would fail again."""
        self._tried: dict[str, tuple[Model, Files]] = {}
        """Model and state of its files when they passed their trial."""
        self._measured: dict[str, tuple[Model, int]] = {}
        self._digests = WeightDigests()

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the loaded models, in the catalog's terms, the longest unused first."""
        return tuple(held.model.key for held in self._all())

    def engine(self, model: Model, *, lora: str = "") -> engines.Engine:
        """Returns the model's engine, loaded. Others are unloaded last, only to make room, when nothing speaks against it.

        A model is tried out before: one that is broken or too large, and one whose LoRA does not fit it, unloads nobody. For
        one that fails all the same, others may have been unloaded; it is not tried again as long as its files stay as they are.
        Loads the same model again once its files have changed and are whole.

        Args:
            model: the catalog's entry.
            lora: file that the next picture is drawn with; empty: none.

        Raises:
            ModelNotLoaded: it cannot be loaded, or could not and has not changed since.
            ModelError: the LoRA does not fit it.
            Retryable: out of memory and the like, now or a short time ago.
        """
        held = self._held(model)
        if held is not None and not self._is_outdated(held):
            return held.engine
        try:
            requirements = self._checked(model)
            files = state_of(_paths(model, requirements).values())
            self._try_out(model, requirements, files)
        except ImgenError as exc:
            if held is None:
                raise
            log.warning("the model's files have changed and cannot be used", model=model.key, reason=str(exc))
            return held.engine
        if lora and held is None:
            engines.check_lora(model, self._context, lora)
        return self._load(model, requirements, files).engine

    def preload(self, model: Model) -> None:
        """Loads a model before the first job asks for it; if it cannot be loaded, that is logged, and the job will say so."""
        started = self._clock()
        try:
            engine = self.engine(model)
        except ImgenError as exc:
            log.warning("a model could not be preloaded", model=model.key, reason=str(exc))
            return
        seconds = round(self._clock() - started, 1)
        log.info("model preloaded", model=model.key, seconds=seconds, size_bytes=engine.memory_bytes)

    def weights(self, model: Model, lora: str) -> dict[str, str]:
        """Returns the digests of a loaded model, of its components and of a LoRA file, by name.

        Empty: the engine draws without weights.
        """
        held = self._held(model)
        if held is None or not held.weights:
            return {}
        own = dict(held.weights)
        return own | {lora: self._digests.named(lora, self._context.folders_of(lora))} if lora else own

    def refresh(self, catalog: Catalog, remote_engines: Mapping[str, RemoteEngine] | None = None) -> None:
        """Forgets failed loads, and unloads models whose entries have changed: all, if files are looked up in another order."""
        self.failed.clear()
        is_same_order = catalog.shipped == self._context.shipped
        self._context = dataclasses.replace(self._context, shipped=catalog.shipped, remote_engines=remote_engines or {})
        for held in self._all():
            if not (is_same_order and catalog.models.get(held.model.key) == held.model):
                self.memory.unload(_key(held.model))

    def unload_others(self, model: Model) -> bool:
        """Unloads all but a model, whose render has run out of memory: its next try has all of it. False: there was nothing."""
        if not self.memory.unload_others(_key(model)):
            return False
        log.warning("other models were unloaded, for a render ran out of memory", model=model.key)
        return True

    def unload(self) -> None:
        """Frees the memory of all models, and of whatever else shares it."""
        self.memory.clear()

    def _all(self) -> list[_LoadedModel]:
        return [entry for entry in self.memory.entries if isinstance(entry, _LoadedModel)]

    def _held(self, model: Model) -> _LoadedModel | None:
        """Returns the model as it is loaded, and counts that as a use; None: it is not, or by another entry."""
        held = self.memory.get(_key(model))
        return held if isinstance(held, _LoadedModel) and held.model == model else None

    def _try_out(self, model: Model, requirements: Requirements, files: Files) -> None:
        """Tries a model out, unless its files have passed their trial or failed before.

        Raises:
            ModelNotLoaded: it would not be loaded, or was not.
            Retryable: it was not, a short time ago, for memory and the like.
        """
        try:
            self.failed.refuse(_key(model), model, files)
        except ModelError as exc:
            raise ModelNotLoaded(str(exc)) from exc
        try:
            self.memory.refuse_too_large(Demand(requirements.memory_bytes, requirements.device))
            if self._tried.get(model.key) != (model, files):
                engines.try_out(model, self._context)
        except ModelError as exc:
            raise self._remembered(model, files, exc) from exc
        self._tried[model.key] = model, files

    def _load(self, model: Model, requirements: Requirements, files: Files) -> _LoadedModel:
        """Loads a model; what was loaded under its key before is unloaded."""
        self.memory.unload(_key(model))
        known_model, size = self._measured.get(model.key, (None, 0))
        demand = Demand(size if known_model == model else requirements.memory_bytes, requirements.device)
        try:
            held = self.memory.load(_key(model), demand, partial(self._loaded, model, requirements))
        except ImgenError as exc:
            raise self._remembered(model, files, exc) from exc
        self._measured[model.key] = model, held.memory_bytes
        return held

    def _remembered(self, model: Model, files: Files, error: ImgenError) -> ImgenError:
        """Remembers a failure, and returns the error to raise for it."""
        self.failed.remember(_key(model), model, files, error)
        return ModelNotLoaded(str(error)) if isinstance(error, ModelError) else error

    def _loaded(self, model: Model, requirements: Requirements, take_room: Callable[[], None]) -> _LoadedModel:
        def make_room(size_bytes: int) -> bool:
            return self.memory.make_room(Demand(size_bytes, requirements.device), keep=_key(model))

        context = dataclasses.replace(self._context, make_room=make_room)
        if requirements.device == engines.MAIN_MEMORY:
            take_room()  # its files are read into the memory that is wanted
        else:
            context = dataclasses.replace(context, take_room=take_room)
        weights = {name: self._digests.of(path) for name, path in _paths(model, requirements).items()}
        engine = engines.load(model, context)
        return _LoadedModel(model, engine, requirements, weights if weights.get(model.source) else {})

    def _checked(self, model: Model) -> Requirements:
        """Returns the needs of a model.

        Raises:
            ModelNotLoaded: something speaks against it.
        """
        try:
            return engines.check(model, self._context)
        except ModelError as exc:
            raise ModelNotLoaded(str(exc)) from exc

    def _is_outdated(self, held: _LoadedModel) -> bool:
        """Returns whether the files are others than those that were loaded; files that cannot be read are not."""
        paths = _paths(held.model, held.requirements)
        return any(self._digests.of(path) not in ("", held.weights.get(name, "")) for name, path in paths.items())


def _paths(model: Model, requirements: Requirements) -> dict[str, Path]:
    """Returns the paths of all weights that a model needs, by name."""
    return {} if requirements.path is None else {model.source: requirements.path, **requirements.components}


def _key(model: Model) -> str:
    """Returns the key in the memory pool, which no upscaler has."""
    return f"model {model.key}"
