"""Check of engines elsewhere: their file, the models that name them, their keys, and whether each takes its key."""

import asyncio
from collections.abc import Iterable, Sequence

from imgen import configuration
from imgen.cli.doctor.finding import shown_url
from imgen.domain.engine_options import EngineChoice, RemoteOptions
from imgen.domain.errors import ConfigurationError, ImgenError
from imgen.domain.remote_engine import RemoteEngine
from imgen.settings import Settings

TIMEOUT_S = 10
SHOWN = 5
"""Models of an engine that are named."""


def engines(loaded: Settings) -> str:
    """Has each remote engine say what it draws with; nothing is drawn, so nothing is paid."""
    remotes = configuration.load_engines(loaded)
    named: list[EngineChoice] = []
    for model in configuration.load_catalog(loaded).models.values():
        choices = model.engine.engines if isinstance(model.engine, RemoteOptions) else ()
        if choices and not any(choice.engine in remotes for choice in choices):
            names = ", ".join(choice.engine for choice in choices)
            raise ConfigurationError(f"{model.key}: engines.toml has no engine {names}")
        named += choices
    found = [asyncio.run(_found(remote, _models(remote, named), loaded)) for remote in remotes.values()]
    return "\n".join(found) or "none elsewhere"


def _models(remote: RemoteEngine, choices: Iterable[EngineChoice]) -> tuple[str, ...]:
    """Returns the engine's own names of its models, as entries have them."""
    return tuple(dict.fromkeys(one.model for one in choices if one.engine == remote.key and one.model))


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
