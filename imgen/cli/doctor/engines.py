"""Check of engines elsewhere: their file, the models that name them, their keys, whether each takes its key, and the spending."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

from imgen import configuration
from imgen.archive import sqlite_file
from imgen.cli.doctor.finding import Warned, shown_url
from imgen.domain.catalog import Model
from imgen.domain.engine_options import EngineChoice, RemoteOptions
from imgen.domain.errors import ConfigurationError, ImgenError, Retryable
from imgen.domain.remote_engine import RemoteEngine, amount_text
from imgen.records import engine_spending, schema
from imgen.records.database import Database
from imgen.services.engine_standings import EngineStanding, find_standings
from imgen.settings import Settings
from imgen.settings.layers import nearest

TIMEOUT_S = 10
SHOWN = 5
"""Models of an engine that are named."""


def engines(loaded: Settings) -> str:
    """Has each remote engine say what it draws with; nothing is drawn, so nothing is paid.

    Raises:
        ConfigurationError: an engine does not answer as it should, or a model has none; the message tells of all engines.
    """
    remotes = configuration.load_engines(loaded)
    catalog = configuration.load_catalog(loaded)
    models = catalog.models.values()
    named = [choice for model in models for choice in _choices(model)]
    spent = _spent_micros(loaded) if remotes else {}
    found, is_wrong = list[str](), False
    for standing in find_standings(remotes, catalog, spent or {}, None, now=time.time()):
        one = standing.engine
        try:
            told = asyncio.run(_found(one, _models(one, named), loaded))
        except ConfigurationError as exc:
            told, is_wrong = str(exc), True
        found.append(f"{told}; {'its spending is not known' if spent is None else _spending(standing)}")
    without, warnings = _unknown(models, remotes)
    text = "\n".join([*found, *without, *warnings]) or "none elsewhere"
    if is_wrong or without:
        raise ConfigurationError(text)
    return Warned(text) if warnings else text


def _unknown(models: Iterable[Model], remotes: Mapping[str, RemoteEngine]) -> tuple[list[str], list[str]]:
    """Describes names of engines that engines.toml does not have: of models left without any, whose jobs wait, and of others."""
    without, warnings = list[str](), list[str]()
    for model in models:
        choices = _choices(model)
        unknown = dict.fromkeys(choice.engine for choice in choices if choice.engine not in remotes)
        named = [f"{name}{nearest(name, remotes)}" for name in unknown]
        told = [f"{model.key}: engines.toml has no engine {name}" for name in named]
        (without if all(choice.engine in unknown for choice in choices) else warnings).extend(told)
    return without, warnings


def _choices(model: Model) -> tuple[EngineChoice, ...]:
    return model.engine.engines if isinstance(model.engine, RemoteOptions) else ()


def _models(remote: RemoteEngine, choices: Iterable[EngineChoice]) -> tuple[str, ...]:
    """Returns the engine's own names of its models, as entries have them."""
    return tuple(dict.fromkeys(one.model for one in choices if one.engine == remote.key and one.model))


def _spending(standing: EngineStanding) -> str:
    amount, cap = amount_text(standing.spent_micros), standing.engine.cap_micros
    if cap is None:
        return f"{amount} spent this month, no cap"
    return f"{amount} of {amount_text(cap)} spent this month{': ' if standing.problem else ''}{standing.problem}"


def _spent_micros(loaded: Settings) -> Mapping[str, int] | None:
    """Returns this month's spending by engine. None: there is no database of this version; its own check tells."""
    file = sqlite_file(loaded)
    if file is not None and not file.exists():
        return None
    database = Database(loaded.database_url)
    try:
        if schema.state(database) is not schema.State.CURRENT:
            return None
        with database.read() as connection:
            return engine_spending.of_month(connection, time.strftime("%Y-%m", time.gmtime()))
    except Retryable:
        return None
    finally:
        database.close()


async def _found(remote: RemoteEngine, named: Sequence[str], loaded: Settings) -> str:
    from workers.engines.remote.engine import open_client  # workers are not the command line's own
    from workers.resources import engine_context

    where = f"{remote.key} at {shown_url(remote.url)}"
    try:
        client = open_client(remote, engine_context(loaded, configuration.load_catalog(loaded)))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                models = await client.probe(named)
        finally:
            await client.close()
    except TimeoutError as exc:
        raise ConfigurationError(f"{where}: no answer within {TIMEOUT_S} s") from exc
    except ImgenError as exc:
        raise ConfigurationError(f"{where}: {exc}") from exc
    more = f" and {len(models) - SHOWN} more" if len(models) > SHOWN else ""
    return f"{where} answers" + (f": {', '.join(models[:SHOWN])}{more}" if models else ", and lists no models")
