"""Resources of a worker process: connections, catalog, reviewers, the loaded models, the signer.

Opened once in each process, after the fork; models and the signer at first use.
"""

import contextlib
import datetime as dt
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from imgen import composition, configuration, signing
from imgen.domain.catalog import Catalog, Model
from imgen.domain.errors import ConfigurationError, SigningKeyUnavailable, Unavailable, UpstreamUnavailable
from imgen.domain.job import Job
from imgen.domain.remote_engine import EngineState, RemoteEngine
from imgen.domain.review.ruleset import CompiledRuleset
from imgen.live import epochs, waiting
from imgen.live.command import Command
from imgen.live.executors import BlockingExecutor
from imgen.live.queue import Publisher
from imgen.live.workers import SigningTrouble
from imgen.objects import ObjectStore
from imgen.provenance.signer import Signer
from imgen.records.database import Database
from imgen.settings import Settings
from workers.engines import EngineContext
from workers.engines.remote.drawing import RemoteDrawing
from workers.engines.remote.engine import open_drawing
from workers.memory_budget import open_budget, open_limit
from workers.memory_pool import MemoryPool
from workers.model_pool import ModelPool
from workers.process import return_memory
from workers.reviewers import ReviewerChain, open_reviewers, policy_digests

_Read = tuple[Catalog, Mapping[str, CompiledRuleset], ReviewerChain, Mapping[str, str], Mapping[str, RemoteEngine]]
"""Catalog, rulesets, reviewers, digests and remote engines, all read at one time."""


@dataclass(kw_only=True)
class WorkerResources:
    """Connections and configuration that all jobs of one process share."""

    settings: Settings
    catalog: Catalog
    database: Database
    live: BlockingExecutor
    publisher: Publisher
    objects: ObjectStore
    rulesets: Mapping[str, CompiledRuleset]
    reviewers: ReviewerChain
    policy_digests: Mapping[str, str]
    """Digest of the reviewers and rules, by ruleset; see `reviewers.policy_digests`."""
    models: ModelPool
    remote_engines: Mapping[str, RemoteEngine] = field(default_factory=dict)
    """Engines elsewhere, by their keys in engines.toml."""
    group: str = ""
    """Name of the worker's queues, if there are several; see `waiting.group_of`."""
    turns: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(os.cpu_count() or 1))
    """Turns for the work on pictures that engines elsewhere drew: many arrive at once, and each takes a core and memory."""
    device: threading.Lock = field(default_factory=threading.Lock)
    """Held by the one thread that loads models or computes with them: jobs of a batch run side by side."""
    batch_limits: dict[str, int] = field(default_factory=dict)
    """Model key → most pictures of a call, where memory did not suffice for the configured limit."""
    is_device_lost: bool = False
    """Whether this process can do nothing any more, and has to end."""
    ending_told_on: dt.date | None = None
    """Day on which this process last told of the end of the signing certificate."""
    signing_trouble: SigningTrouble | None = None
    """Failure of the latest try to sign; None: it went well, or nothing was signed yet. The heartbeat tells it."""
    _reloader: configuration.Reloader[_Read] = field(init=False)

    def __post_init__(self) -> None:
        self._reloader = configuration.Reloader(lambda: _read(self.settings))

    @cached_property
    def signer(self) -> Signer:
        """C2PA signer: of the configured chain and key, or of the development chain in the data folder."""
        with self.signing():
            composition.prepare_credentials(self.settings)
            return signing.open_configured(self.settings)

    @contextlib.contextmanager
    def signing(self) -> Iterator[None]:
        """Notes whether the block's signatures are made."""
        try:
            yield
        except (SigningKeyUnavailable, ConfigurationError) as exc:
            self.signing_trouble = SigningTrouble(reason=str(exc), at=time.time())
            raise
        except UpstreamUnavailable:  # the time-stamp authority is away, and the key has signed without it
            self.signing_trouble = None
            raise
        self.signing_trouble = None

    @cached_property
    def remote(self) -> RemoteDrawing:
        """Drawing at engines elsewhere, opened at its first use."""
        return_memory()
        return open_drawing(engine_context(self.settings, self.catalog, self.remote_engines))

    def engine_states(self) -> dict[str, EngineState]:
        """Returns the states of the engines elsewhere that were asked so far; any thread may call it."""
        return self.remote.states() if "remote" in self.__dict__ else {}

    def refresh_if_changed(self) -> None:
        """Reads the operator's files again if their epoch has changed; a wrong file changes nothing.

        Unloads the models whose entry has changed.
        """
        try:
            epoch = self.live.run(epochs.read(epochs.CONFIGURATION))
        except Unavailable:
            return
        if not self._reloader.is_due(epoch) or (read := self._reloader.reload(epoch)) is None:
            return
        catalog, rulesets, reviewers, digests, remote_engines = read
        self.models.refresh(catalog, remote_engines)
        if "remote" in self.__dict__:
            self.remote.refresh(remote_engines)
        self.remote_engines = remote_engines
        self.reviewers.close()
        self.catalog, self.rulesets, self.reviewers, self.policy_digests = catalog, rulesets, reviewers, digests

    def model_of(self, job: Job) -> Model:
        """Returns the catalog's entry of a job's model.

        Raises:
            ConfigurationError: the operator took it away since the job was submitted.
        """
        model = self.catalog.models.get(job.recipe.model)
        if model is None:
            raise ConfigurationError(f"Model {job.recipe.model!r} is not configured any more")
        return model

    def notify(self, op: Command[None]) -> None:
        """Runs a command that only saves pollers a look into SQL; does nothing if Redis does not answer."""
        with contextlib.suppress(Unavailable):
            self.live.run(op)

    def close(self) -> None:
        """Closes every connection."""
        if "remote" in self.__dict__:
            self.remote.close()
        self.models.unload()
        self.reviewers.close()
        self.live.close()
        self.publisher.close()
        self.database.close()


def open_resources(settings: Settings, *, queues: Sequence[str] = (), processes: int = 1) -> WorkerResources:
    """Opens everything but models and the signer; `processes` of the worker, which consumes `queues`, share the memory."""
    database = composition.open_database(settings)
    url = settings.redis_url
    catalog, rulesets, reviewers, digests, remote_engines = _read(settings)
    return WorkerResources(
        settings=settings,
        catalog=catalog,
        database=database,
        live=BlockingExecutor(url),
        publisher=Publisher(url),
        objects=composition.open_objects(settings, database),
        group=waiting.group_of(queues),
        rulesets=rulesets,
        reviewers=reviewers,
        policy_digests=digests,
        remote_engines=remote_engines,
        models=ModelPool(
            engine_context(settings, catalog, remote_engines),
            MemoryPool(
                open_budget(settings.workers.memory_gib, processes=processes), open_limit(settings.workers.memory_gib)
            ),
        ),
    )


def engine_context(
    settings: Settings, catalog: Catalog, remote_engines: Mapping[str, RemoteEngine] | None = None
) -> EngineContext:
    """Returns the settings that engines get; without remote engines nothing can be drawn elsewhere."""
    return EngineContext(
        folders=settings.model_folders,
        shipped=catalog.shipped,
        allow_downloads=settings.workers.allow_downloads,
        remote_engines=remote_engines or {},
        workflow_folders=settings.workflow_folders,
    )


def _read(settings: Settings) -> _Read:
    """Reads the operator's files that a worker needs.

    Raises:
        ConfigurationError, OSError: one of them is wrong or missing.
    """
    return (
        configuration.load_catalog(settings),
        configuration.load_rulesets(settings),
        open_reviewers(settings),
        policy_digests(settings),
        configuration.load_engines(settings),
    )
