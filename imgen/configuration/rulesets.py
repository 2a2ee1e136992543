"""Rulesets ready to judge, and the words of the lexical guard."""

from functools import partial

import msgspec

from imgen.domain.errors import ConfigurationError
from imgen.domain.lexical_guard import GuardWords
from imgen.domain.review.ruleset import CompiledRuleset, compile_ruleset, parse_ruleset
from imgen.settings import Settings
from imgen.settings.tables import load_file


def load_rulesets(settings: Settings) -> dict[str, CompiledRuleset]:
    """Reads all rulesets by name, ready to judge; `default` must be among them.

    Raises:
        ConfigurationError: a file is wrong; the message has its path.
    """
    rulesets = {}
    for path in sorted((settings.config_dir / "rulesets").glob("*.toml")):
        ruleset = load_file(path, partial(parse_ruleset, path.stem))
        try:
            rulesets[path.stem] = compile_ruleset(ruleset)
        except ConfigurationError as exc:
            raise ConfigurationError(f"{path}: {exc}") from exc
    if "default" not in rulesets:
        raise ConfigurationError(f"{settings.config_dir / 'rulesets'}: there is no default.toml")
    return rulesets


def load_guard(settings: Settings) -> GuardWords:
    """Reads the words of the lexical guard.

    Raises:
        ConfigurationError: config/cache.toml is wrong, or has words that no normalized text can hold.
    """
    path = settings.config_dir / "cache.toml"
    guard: GuardWords = load_file(path, partial(msgspec.convert, type=GuardWords))
    if unfolded := guard.unfolded():
        raise ConfigurationError(f"{path}: not single words in small letters without accents: {', '.join(unfolded)}")
    return guard
