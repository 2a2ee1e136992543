"""Core: all parts that the services use, in one value made by the composition root."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgen.configuration import Configuration, applied_plan
from imgen.domain.account import Plan
from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import Catalog, Model
from imgen.domain.studio import StudioConfig
from imgen.domain.tiers import Tiers
from imgen.domain.wordlists import Wordlists
from imgen.live.executors import PipeliningExecutor
from imgen.live.queue import Publisher
from imgen.objects import ObjectStore
from imgen.records.database import Database
from imgen.services.accounts.principal_cache import PrincipalCache
from imgen.services.accounts.request_counts import RequestCounts
from imgen.services.accounts.strangers import Strangers
from imgen.services.awaiting import Awaiting
from imgen.services.enhance import Enhancer
from imgen.services.job_facts import JobFactsCache
from imgen.services.listed import ListedPictures
from imgen.services.open_streams import OpenStreams
from imgen.services.publishing import MessageSender
from imgen.services.recognition.known_fingerprints import KnownFingerprints
from imgen.services.recognition.known_sizes import KnownSizes
from imgen.services.semantic_cache.cache import SemanticCache
from imgen.services.served_queues import ServedQueues
from imgen.settings import Settings
from imgen.weights.digest import WeightDigests

if TYPE_CHECKING:
    from imgen.outgoing.client import OutgoingClient


@dataclass(kw_only=True)
class Core:
    """Parts of one API process."""

    settings: Settings
    configured: Configuration
    """Operator's files; `reconfigure` replaces them as a whole. All other fields stay."""
    database: Database
    live: PipeliningExecutor
    publisher: Publisher
    messages: MessageSender = field(init=False)
    """Sends by the publisher, for requests."""
    objects: ObjectStore
    enhancer: Enhancer
    cache: SemanticCache
    principal_cache: PrincipalCache
    request_counts: RequestCounts
    awaiting: Awaiting
    open_streams: OpenStreams
    awaited_ids: Counter[str] = field(default_factory=Counter)
    """Answers that requests of this process wait for → number of requests; see awaited_answers.py."""
    strangers: Strangers = field(default_factory=Strangers)
    served_queues: ServedQueues = field(default_factory=ServedQueues)
    weights: WeightDigests = field(default_factory=WeightDigests)
    """Digests of the models' files, for the cache."""
    listed: ListedPictures = field(init=False)
    """Match lists, for sources and masks."""
    known_fingerprints: KnownFingerprints = field(init=False)
    """Fingerprints of all published pictures."""
    known_sizes: KnownSizes = field(init=False)
    """Sizes that they may have."""
    deep_search: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the thorough search of a picture that runs: one at a time, so that others have a thread."""
    trust_anchors: Callable[[], bytes] = bytes
    """Returns the PEM of the certificates that our own reading trusts."""
    job_facts: JobFactsCache = field(default_factory=JobFactsCache)
    outgoing: "OutgoingClient | None" = None
    """Client for documents of applications; None: they are read from public addresses, with the system's trust."""
    clock: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.SystemRandom)
    average_seconds: dict[str, float] = field(default_factory=dict)
    """Model key → seconds a render takes, refreshed by the reconciler; for estimates."""

    def __post_init__(self) -> None:
        self.messages = MessageSender(self.publisher)
        self.listed = ListedPictures(self.settings.match_folders)
        self.known_fingerprints = KnownFingerprints(self.database, self.settings.data_dir / "fingerprints")
        self.known_sizes = KnownSizes(self.database)

    async def is_served(self, queue: str) -> bool:
        """Returns whether a worker consumes a queue, as far as is known."""
        return await self.served_queues.has(queue, self.live)

    async def capabilities(self, model: Model) -> Capabilities:
        """Returns what a model can do, as far as is known."""
        return await self.served_queues.capabilities(model, self.live)

    def reconfigure(self, read: Configuration) -> None:
        """Puts files that were read again in the place of the old ones."""
        self.configured = read
        self.enhancer.use(read.words, read.instructions)
        self.cache.use(read.guard)

    @property
    def catalog(self) -> Catalog:
        """Models and characters."""
        return self.configured.catalog

    @property
    def tiers(self) -> Tiers:
        """Quality tiers, and the names by which models can be pinned."""
        return self.configured.tiers

    @property
    def studio(self) -> StudioConfig:
        """Modes and presets of Studio."""
        return self.configured.studio

    @property
    def rulesets(self) -> Mapping[str, str]:
        """Rulesets: name → digest of the rules."""
        return self.configured.rulesets

    @property
    def words(self) -> Wordlists:
        """Word lists, for `random`."""
        return self.configured.words

    def plan_of(self, key: str) -> Plan:
        """Returns the plan of that key; the default plan if an operator removed it."""
        return applied_plan(self.settings, self.configured.plans, key)
