"""What an operator may change while the service runs: models, characters, plans, rulesets, word lists.

`imgen.toml` is read once, when a process starts; these are read again when somebody asks for it. A token in Redis tells every
process that there is news; one that finds a file wrong keeps what it has.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from imgen.domain.account import Plan
from imgen.domain.catalog import Catalog
from imgen.domain.errors import ConfigurationError
from imgen.domain.wordlists import Wordlists, parse_wordlists
from imgen.settings import Settings, load_catalog, load_plans, read_toml


@dataclass(frozen=True, kw_only=True)
class Configured:
    """All of it, read at one time."""

    catalog: Catalog
    plans: Mapping[str, Plan]
    rulesets: Mapping[str, str]
    """Names a caller may give as `compliance_ruleset`, each with a digest of its rules."""
    words: Wordlists


def load(settings: Settings) -> Configured:
    """Reads the files.

    Raises:
        ConfigurationError: one of them is wrong; the message names it.
    """
    try:
        rulesets = sorted((settings.config_dir / "rulesets").glob("*.toml"))
        for path in rulesets:
            read_toml(path)
        return Configured(
            catalog=load_catalog(settings),
            plans=load_plans(settings),
            rulesets={path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in rulesets},
            words=parse_wordlists(read_toml(settings.config_dir / "prompts" / "words.toml")),
        )
    except (msgspec.ValidationError, OSError, TypeError, ValueError) as exc:
        raise ConfigurationError(f"The configuration cannot be read: {exc}") from exc
