"""Troubles of models that engines elsewhere draw, in words for callers: no key, a cap, an outage. The engines' own are left out.

A job of such a model is taken all the same; it waits until one of its engines takes work again.
"""

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence

from imgen.domain.catalog import Catalog
from imgen.domain.engine_options import EngineChoice, RemoteOptions
from imgen.domain.errors import Retryable
from imgen.domain.remote_engine import EngineState, RemoteEngine, micros
from imgen.records import engine_spending
from imgen.services.core import Core
from imgen.services.engine_standings import month_of, next_month

States = Mapping[str, Sequence[EngineState]]
"""Engine → its state in each worker process that draws by it."""


async def engine_troubles(core: Core) -> dict[str, str]:
    """Returns model key → the reason why none of its engines takes work now, as far as is known; others are left out."""
    if not any(isinstance(model.engine, RemoteOptions) for model in core.catalog.models.values()):
        return {}
    engines, spent = core.configured.engines, dict[str, int]()
    if any(engine.cap_micros is not None for engine in engines.values()):
        with contextlib.suppress(Retryable):  # nothing is known of the spending then
            spent = {**await core.database.reading(engine_spending.of_month, month_of(core.clock()))}
    states = await core.served_queues.engine_states(core.live)
    return find_troubles(core.catalog, engines, spent, states, now=core.clock())


def find_troubles(
    catalog: Catalog, engines: Mapping[str, RemoteEngine], spent: Mapping[str, int], states: States, *, now: float
) -> dict[str, str]:
    """Returns model key → the reason why none of its engines takes work.

    Args:
        catalog: the models.
        engines: of engines.toml, by key.
        spent: spending of this month in millionths, by engine.
        states: of the engines.
        now: Unix time.
    """
    found = {}
    for key, model in catalog.models.items():
        if isinstance(model.engine, RemoteOptions):
            reasons = [
                _trouble(one, engines.get(one.engine), spent.get(one.engine, 0), states.get(one.engine, ()), now)
                for one in model.engine.engines
            ]
            if all(reasons):
                found[key] = "; ".join(dict.fromkeys(reasons))
    return found


def _trouble(
    choice: EngineChoice, engine: RemoteEngine | None, spent: int, states: Sequence[EngineState], now: float
) -> str:
    """Returns the reason why an engine does not draw what an entry says; empty: it does, as far as is known."""
    if engine is None:
        return f"engines.toml has no engine {choice.engine}"
    price = engine.price if choice.price is None else choice.price
    if engine.cap_micros is not None and spent + micros(price) > engine.cap_micros:
        return f"engine {engine.key} has reached its spending cap and is off until {next_month(now)}"
    if not states or not all(one.takes_no_work(now) for one in states):
        return ""
    if any(one.is_refused and one.until is None for one in states):
        return f"the key of engine {engine.key} is not set"
    if any(one.is_refused for one in states):
        return f"engine {engine.key} refuses its key"
    first_back = min(one.until or now for one in states)
    return f"engine {engine.key} takes no work until {dt.datetime.fromtimestamp(first_back, dt.UTC):%H:%M:%S} UTC"
