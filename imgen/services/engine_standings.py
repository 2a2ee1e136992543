"""Standing of each engine elsewhere: its state as workers tell it, and this month's spending against its cap."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from imgen import configuration
from imgen.domain.catalog import Catalog
from imgen.domain.engine_options import EngineChoice, RemoteOptions
from imgen.domain.errors import Unavailable
from imgen.domain.remote_engine import EngineState, RemoteEngine, micros
from imgen.live import workers
from imgen.live.workers import WorkerHeartbeat
from imgen.records import engine_spending
from imgen.services.core import Core
from imgen.threads import LOADING


class EngineStanding(Struct, frozen=True, kw_only=True):
    """Standing of an engine of engines.toml."""

    engine: RemoteEngine
    models: tuple[str, ...]
    """Keys of the models that name it."""
    spent_micros: int
    """Spending of this month, open calls included."""
    problem: str
    """Reason why it takes no work now; empty: nothing is wrong, as far as is known."""
    note: str = ""
    """Reason why nothing is known of it."""

    @property
    def state(self) -> str:
        """State in words."""
        return self.problem or self.note or "available"


async def standings(core: Core) -> list[EngineStanding]:
    """Returns the standings of all engines, in the order of engines.toml.

    Raises:
        ConfigurationError: engines.toml is wrong; the message has the path of the file.
        Retryable: the database does not answer.
    """
    engines = await LOADING.run(configuration.load_engines, core.settings)
    if not engines:
        return []
    spent = await core.database.reading(engine_spending.of_month, month_of(core.clock()))
    try:
        heartbeats = await core.live.run(workers.list_workers())
    except Unavailable:
        heartbeats = None
    return find_standings(engines, core.catalog, spent, heartbeats, now=core.clock())


def find_standings(
    engines: Mapping[str, RemoteEngine],
    catalog: Catalog,
    spent: Mapping[str, int],
    heartbeats: Iterable[WorkerHeartbeat] | None,
    *,
    now: float,
) -> list[EngineStanding]:
    """Returns the standings of engines.

    Args:
        engines: of engines.toml, by key.
        catalog: models that name them.
        spent: spending of this month in millionths, by engine.
        heartbeats: of all worker processes; None: Redis does not answer.
        now: Unix time.
    """
    beats = None if heartbeats is None else list(heartbeats)
    return [_standing(engine, catalog, spent.get(engine.key, 0), beats, now) for engine in engines.values()]


def month_of(now: float) -> str:
    """Returns the month (UTC) of a time: `2026-11`."""
    return dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m")


def next_month(now: float) -> str:
    """Returns the first day (UTC) of the month after a time: `1 December`."""
    today = dt.datetime.fromtimestamp(now, dt.UTC)
    first = (today.replace(day=1) + dt.timedelta(days=31)).replace(day=1)
    return f"{first.day} {first:%B}"


def _standing(
    engine: RemoteEngine, catalog: Catalog, spent: int, heartbeats: list[WorkerHeartbeat] | None, now: float
) -> EngineStanding:
    choices = _choices(engine, catalog)
    problem, note = _over_cap(engine, choices.values(), spent, now), ""
    if heartbeats is None:
        note = "not known: Redis does not answer"
    elif not choices:
        note = "no model names it"
    else:
        states = [one.engines[engine.key] for one in heartbeats if engine.key in one.engines]
        problem = problem or _told(states, now)
        note = "" if states else "no worker draws with its models"
    return EngineStanding(engine=engine, models=tuple(choices), spent_micros=spent, problem=problem, note=note)


def _choices(engine: RemoteEngine, catalog: Catalog) -> dict[str, tuple[EngineChoice, ...]]:
    """Returns model key → its entries for an engine."""
    remote = {key: model.engine for key, model in catalog.models.items() if isinstance(model.engine, RemoteOptions)}
    found = {key: tuple(one for one in options.engines if one.engine == engine.key) for key, options in remote.items()}
    return {key: choices for key, choices in found.items() if choices}


def _over_cap(engine: RemoteEngine, choices: Iterable[tuple[EngineChoice, ...]], spent: int, now: float) -> str:
    """Tells until when an engine is off: even its cheapest picture would bring it over its cap. Empty: it is not."""
    own = engine.price
    prices = [own if one.price is None else one.price for several in choices for one in several]
    if engine.cap_micros is None or spent + micros(min(prices, default=own)) <= engine.cap_micros:
        return ""
    return f"over its cap: off until {next_month(now)}"


def _told(states: list[EngineState], now: float) -> str:
    """Joins what the worker processes tell; those that have no trouble are told only by the numbers."""
    told = Counter(_in_words(one) for one in states if one.takes_no_work(now))
    parts = [
        words if number == len(states) else f"{words} ({number} of {len(states)} worker processes)"
        for words, number in told.items()
    ]
    return "; ".join(parts)


def _in_words(state: EngineState) -> str:
    if state.is_refused:
        return state.reason
    until = dt.datetime.fromtimestamp(state.until or 0, dt.UTC)
    return f"pauses until {until:%H:%M} UTC: {state.reason}"
