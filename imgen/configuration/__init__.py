"""Operator's files that may change while the service runs: models, characters, plans, tiers, Studio, rulesets, word lists.

`imgen.toml` is read once, when a process starts; these are read again on request: the API and the workers share the reloader.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import msgspec
import structlog

from imgen.configuration.catalog import load_catalog, load_engines, shadowed_weights
from imgen.configuration.plans import applied_plan, known_pack, known_plan, load_packs, load_plans
from imgen.configuration.reloader import Reloader
from imgen.configuration.rulesets import load_guard, load_rulesets
from imgen.configuration.tiers import load_studio, load_tiers
from imgen.domain.account import Pack, Plan
from imgen.domain.catalog import Catalog
from imgen.domain.errors import ConfigurationError
from imgen.domain.lexical_guard import GuardWords
from imgen.domain.remote_engine import RemoteEngine
from imgen.domain.review.ruleset import Ruleset, parse_ruleset
from imgen.domain.studio import StudioConfig
from imgen.domain.tiers import Tiers
from imgen.domain.wordlists import Wordlists, parse_wordlists
from imgen.settings import Settings
from imgen.settings.layers import read_text
from imgen.settings.tables import load_file

__all__ = [
    "Configuration",
    "Reloader",
    "applied_plan",
    "known_pack",
    "known_plan",
    "load",
    "load_catalog",
    "load_engines",
    "load_guard",
    "load_packs",
    "load_plans",
    "load_rulesets",
    "load_studio",
    "load_tiers",
    "shadowed_weights",
]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Contents of the files that the API needs, read at one time."""

    catalog: Catalog
    engines: Mapping[str, RemoteEngine]
    """Engines elsewhere by key."""
    plans: Mapping[str, Plan]
    packs: Mapping[str, Pack]
    """Packs of credits that can be granted."""
    tiers: Tiers
    """Quality tiers, and the names by which models can be pinned."""
    studio: StudioConfig
    """Modes and presets of Studio."""
    rulesets: Mapping[str, str]
    """Values of `compliance_ruleset`, each with a digest of its rules."""
    rules: Mapping[str, Ruleset]
    """Rulesets as they were read, to be shown."""
    words: Wordlists
    instructions: str
    """Text of config/prompts/enhance.md for the chat endpoint of the enhancer; empty: there is none."""
    guard: GuardWords


def load(settings: Settings) -> Configuration:
    """Reads the files that the API needs.

    Raises:
        ConfigurationError: a file is wrong; the message has its path.
    """
    prompts = settings.config_dir / "prompts"
    try:
        plans = load_plans(settings)
        for plan in plans.values():
            if plan.shortfall:
                log.warning("a rate cannot carry the plan's open jobs", reason=plan.shortfall)
        rulesets = sorted((settings.config_dir / "rulesets").glob("*.toml"))
        return Configuration(
            catalog=load_catalog(settings),
            engines=load_engines(settings),
            plans=plans,
            packs=load_packs(settings),
            tiers=load_tiers(settings),
            studio=load_studio(settings),
            rulesets={path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in rulesets},
            rules={path.stem: load_file(path, partial(parse_ruleset, path.stem)) for path in rulesets},
            words=load_file(prompts / "words.toml", parse_wordlists),
            instructions=read_text(prompts / "enhance.md") if settings.enhancer.base_url else "",
            guard=load_guard(settings),
        )
    except (msgspec.ValidationError, OSError, TypeError, ValueError) as exc:
        raise ConfigurationError(f"The configuration cannot be read: {exc}") from exc
