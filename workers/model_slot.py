"""Slot of a worker process for the one model in memory: two would not fit where one just does."""

import time
from collections.abc import Callable
from typing import NamedTuple

from imgen.domain.catalog import Catalog, Model
from imgen.domain.errors import ImgenError, ModelError, ModelNotLoaded
from workers import engines

REMEMBERED_S = 300.0
"""Time for which a failed load is not tried again, unless the model's entry changes: each try costs the model that works."""


class _FailedLoad(NamedTuple):
    model: Model
    error: ImgenError
    until: float


class ModelSlot:
    """The model in memory, and the loads that failed."""

    def __init__(self, context: engines.EngineContext, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._clock = clock
        self._model: Model | None = None
        self._engine: engines.Engine | None = None
        self._failed: dict[str, _FailedLoad] = {}

    @property
    def key(self) -> str:
        """Key of the model in memory; empty: none."""
        return "" if self._model is None else self._model.key

    def engine(self, model: Model) -> engines.Engine:
        """Returns the model's engine, loaded. The model in memory is unloaded last, when nothing speaks against the other one.

        Raises:
            ModelNotLoaded: it cannot be loaded, or could not a short time ago.
            Retryable: out of memory and the like, now or a short time ago.
        """
        if self._engine is not None and self._model == model:
            return self._engine
        self._refuse_failed(model)
        try:
            engines.check(model, self._context)
        except ModelError as exc:
            raise ModelNotLoaded(str(exc)) from exc
        self.unload()
        try:
            self._engine = engines.load(model, self._context)
        except ImgenError as exc:
            error = ModelNotLoaded(str(exc)) if isinstance(exc, ModelError) else exc
            self._failed[model.key] = _FailedLoad(model, error, self._clock() + REMEMBERED_S)
            raise error from exc
        self._model = model
        return self._engine

    def refresh(self, catalog: Catalog) -> None:
        """Forgets failed loads, and unloads the model if its entry has changed."""
        self._failed.clear()
        if self._model is not None and catalog.models.get(self._model.key) != self._model:
            self.unload()

    def unload(self) -> None:
        """Frees the memory."""
        if self._engine is not None:
            self._engine.unload()
        self._engine = self._model = None

    def _refuse_failed(self, model: Model) -> None:
        failed = self._failed.get(model.key)
        if failed is not None and failed.model == model and self._clock() < failed.until:
            raise type(failed.error)(str(failed.error))
