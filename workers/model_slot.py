"""Slot of a worker process for the one model in memory: two would not fit where one just does."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import structlog

from imgen.domain.catalog import Catalog, Model
from imgen.domain.errors import ImgenError, ModelError, ModelNotLoaded
from imgen.weights.digest import WeightDigests
from workers import engines

log = structlog.get_logger(__name__)

REMEMBERED_S = 300.0
"""Time for which a failed load is not tried again, unless the model's entry changes: each try costs the model that works."""


class _Loaded(NamedTuple):
    model: Model
    engine: engines.Engine
    path: Path | None
    """Path of its weights; None: it has none."""
    weights: str
    """Digest of its weights; empty: it has none."""


class _FailedLoad(NamedTuple):
    model: Model
    error: ImgenError
    until: float


class ModelSlot:
    """The model in memory, and the loads that failed."""

    def __init__(self, context: engines.EngineContext, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._clock = clock
        self._loaded: _Loaded | None = None
        self._failed: dict[str, _FailedLoad] = {}
        self._digests = WeightDigests()

    @property
    def key(self) -> str:
        """Key of the model in memory; empty: none."""
        return "" if self._loaded is None else self._loaded.model.key

    def engine(self, model: Model) -> engines.Engine:
        """Returns the model's engine, loaded. The model in memory is unloaded last, when nothing speaks against the other one.

        Loads the same model again once its files have changed and are whole.

        Raises:
            ModelNotLoaded: it cannot be loaded, or could not a short time ago.
            Retryable: out of memory and the like, now or a short time ago.
        """
        held = self._loaded if self._loaded is not None and self._loaded.model == model else None
        if held is not None and not self._is_outdated(held):
            return held.engine
        try:
            self._refuse_failed(model)
            path = self._checked(model)
        except ImgenError as exc:
            if held is None:
                raise
            log.warning("the model's files have changed and cannot be used", model=model.key, reason=str(exc))
            return held.engine
        self.unload()
        try:
            weights = "" if path is None else self._digests.of(path)
            engine = engines.load(model, self._context)
        except ImgenError as exc:
            error = ModelNotLoaded(str(exc)) if isinstance(exc, ModelError) else exc
            self._failed[model.key] = _FailedLoad(model, error, self._clock() + REMEMBERED_S)
            raise error from exc
        self._loaded = _Loaded(model, engine, path, weights)
        return engine

    def weights(self, lora: str) -> dict[str, str]:
        """Returns the digests of the model in memory and of a LoRA file, by name; empty: the engine draws without weights."""
        if self._loaded is None or not self._loaded.weights:
            return {}
        own = {self._loaded.model.source: self._loaded.weights}
        return own | {lora: self._digests.named(lora, self._context.folders_of(lora))} if lora else own

    def refresh(self, catalog: Catalog) -> None:
        """Forgets failed loads, and unloads the model if its entry has changed, or the order in which files are looked up."""
        self._failed.clear()
        is_same_order = catalog.shipped == self._context.shipped
        self._context = dataclasses.replace(self._context, shipped=catalog.shipped)
        if self._loaded is not None and not (is_same_order and catalog.models.get(self.key) == self._loaded.model):
            self.unload()

    def unload(self) -> None:
        """Frees the memory."""
        if self._loaded is not None:
            self._loaded.engine.unload()
        self._loaded = None

    def _checked(self, model: Model) -> Path | None:
        """Returns the path of a model's weights.

        Raises:
            ModelNotLoaded: something speaks against the model.
        """
        try:
            return engines.check(model, self._context)
        except ModelError as exc:
            raise ModelNotLoaded(str(exc)) from exc

    def _is_outdated(self, held: _Loaded) -> bool:
        """Returns whether the files are others than those that were loaded; files that cannot be read are not."""
        return held.path is not None and self._digests.of(held.path) not in ("", held.weights)

    def _refuse_failed(self, model: Model) -> None:
        failed = self._failed.get(model.key)
        if failed is not None and failed.model == model and self._clock() < failed.until:
            raise type(failed.error)(str(failed.error))
