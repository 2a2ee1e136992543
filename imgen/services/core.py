"""Everything the services work with, in one value that the composition root makes and hands to each of them."""

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imgen.domain.account import Plan
from imgen.domain.catalog import Catalog
from imgen.domain.wordlists import Wordlists
from imgen.live.executors import Coalescer
from imgen.live.queue import Publisher
from imgen.objects import ObjectStore
from imgen.records.database import Database
from imgen.services.cache import SemanticCache
from imgen.services.enhance import Enhancer
from imgen.services.keyring import Keyring
from imgen.services.request_counts import RequestCounts
from imgen.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Core:
    """One per API process."""

    settings: Settings
    catalog: Catalog
    plans: dict[str, Plan]
    rulesets: Mapping[str, str]
    """Names a caller may give as `compliance_ruleset`, each with a digest of its rules."""
    words: Wordlists
    database: Database
    live: Coalescer
    publisher: Publisher
    objects: ObjectStore
    enhancer: Enhancer
    cache: SemanticCache
    keyring: Keyring
    request_counts: RequestCounts
    clock: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.SystemRandom)
    average_seconds: dict[str, float] = field(default_factory=dict)
    """Model key → seconds a render takes, refreshed by the reconciler; for estimates."""

    def plan_of(self, key: str) -> Plan:
        """The plan of that key, or the default where an operator removed it."""
        return self.plans.get(key) or self.plans[self.settings.default_plan]


def ruleset_digests(config_dir: Path) -> dict[str, str]:
    """The rulesets there are, one file each: name → digest of the file."""
    files = sorted((config_dir / "rulesets").glob("*.toml"))
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
