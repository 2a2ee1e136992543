"""What a worker process works with. Made after the fork, once a process; models and the signer are opened at first use."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from imgen import composition, configuration
from imgen.domain.catalog import Catalog, Model
from imgen.domain.errors import ConfigurationError, Unavailable
from imgen.domain.job import Job
from imgen.domain.review import CompiledRuleset
from imgen.live import epochs
from imgen.live.command import Command
from imgen.live.executors import BlockingExecutor
from imgen.live.queue import Publisher
from imgen.objects import ObjectStore
from imgen.provenance.credentials import Signer, open_signer
from imgen.provenance.development_chain import make_development_chain
from imgen.records.database import Database
from imgen.settings import Settings
from workers import backends
from workers.reviewers import Board, digests, open_board

_Read = tuple[Catalog, Mapping[str, CompiledRuleset], Board, Mapping[str, str]]
"""Catalog, rulesets, board and digests, all read at one time."""


@dataclass(kw_only=True)
class Workshop:
    """One per process."""

    settings: Settings
    catalog: Catalog
    database: Database
    live: BlockingExecutor
    publisher: Publisher
    objects: ObjectStore
    rulesets: Mapping[str, CompiledRuleset]
    board: Board
    judged_by: Mapping[str, str]
    """Ruleset → digest of the board and its rules."""
    _loaded: dict[str, backends.Backend] = field(default_factory=dict)
    _reloader: configuration.Reloader[_Read] = field(init=False)

    def __post_init__(self) -> None:
        self._reloader = configuration.Reloader(lambda: _read(self.settings))

    @cached_property
    def signer(self) -> Signer:
        """The C2PA signer: configured files, or the development chain in the data folder."""
        configured = self.settings.credentials
        chain, key = Path(configured.certificate_chain), Path(configured.private_key)
        if not configured.certificate_chain:
            folder = self.settings.data_dir / "credentials"
            make_development_chain(folder)
            chain, key = folder / "chain.pem", folder / "key.pem"
        return open_signer(chain.read_bytes(), key.read_bytes(), tsa_url=configured.tsa_url or None)

    def read_news(self) -> None:
        """Reads models, characters, rulesets and reviewers again on request; a wrong file changes nothing.

        A loaded model whose entry has changed is unloaded.
        """
        try:
            epoch = self.live.run(epochs.read(epochs.CONFIGURATION))
        except Unavailable:
            return
        if not self._reloader.is_due(epoch) or (read := self._reloader.reload(epoch)) is None:
            return
        catalog, rulesets, board, judged_by = read
        for key in list(self._loaded):
            if catalog.models.get(key) != self.catalog.models.get(key):
                self._loaded.pop(key).unload()
        self.board.close()
        self.catalog, self.rulesets, self.board, self.judged_by = catalog, rulesets, board, judged_by

    def model_of(self, job: Job) -> Model:
        """The catalog's entry of a job's model.

        Raises:
            ConfigurationError: the operator took it away since the job was submitted.
        """
        model = self.catalog.models.get(job.recipe.model)
        if model is None:
            raise ConfigurationError(f"Model {job.recipe.model!r} is not configured any more")
        return model

    @property
    def loaded_model(self) -> str:
        """Key of the model in memory; empty: none is."""
        return next(iter(self._loaded), "")

    def backend(self, model: Model) -> backends.Backend:
        """The loaded model. One is kept at a time: two would not fit where one just does."""
        if model.key not in self._loaded:
            while self._loaded:
                self._loaded.popitem()[1].unload()
            folders, downloads = self.settings.model_folders, self.settings.workers.allow_downloads
            self._loaded[model.key] = backends.load(model, folders=folders, allow_downloads=downloads)
        return self._loaded[model.key]

    def tell(self, op: Command[None]) -> None:
        """Sends news that pollers would like to have; they find it in SQL where Redis does not answer."""
        with contextlib.suppress(Unavailable):
            self.live.run(op)

    def close(self) -> None:
        """Closes every connection."""
        for loaded in self._loaded.values():
            loaded.unload()
        self.board.close()
        self.live.close()
        self.publisher.close()
        self.database.close()


def open_workshop(settings: Settings) -> Workshop:
    """Opens everything but models and the signer."""
    database = composition.open_database(settings)
    url = settings.redis_url
    catalog, rulesets, board, judged_by = _read(settings)
    return Workshop(
        settings=settings,
        catalog=catalog,
        database=database,
        live=BlockingExecutor(url),
        publisher=Publisher(url),
        objects=composition.open_objects(settings, database),
        rulesets=rulesets,
        board=board,
        judged_by=judged_by,
    )


def _read(settings: Settings) -> _Read:
    """Reads the operator's files that a worker needs.

    Raises:
        ConfigurationError, OSError: one of them is wrong or missing.
    """
    return (
        configuration.load_catalog(settings),
        configuration.load_rulesets(settings),
        open_board(settings),
        digests(settings),
    )
