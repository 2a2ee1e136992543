"""Standings of engines: what workers tell of them, and what is left below the cap."""

import pytest

from imgen.domain.catalog import Catalog, parse_model
from imgen.domain.remote_engine import EngineState, parse_remote_engine
from imgen.live.workers import WorkerHeartbeat
from imgen.services.engine_standings import find_standings

NOW = 1_796_040_000.0  # 2026-11-30 12:00 UTC
AWAY = EngineState(reason="cloud does not answer", code="remote_engine_away", since=NOW - 5, until=NOW + 60)
REFUSED = EngineState(
    reason="cloud refuses the key (CLOUD_KEY)", code="remote_key_refused", since=NOW - 90, until=NOW - 5
)


def model(key, *choices):
    style = {"default_style": "plain", "styles": {"plain": {"label": "Plain"}}}
    return parse_model(
        key,
        {
            "label": key,
            "backend": "remote",
            "engines": list(choices),
            "steps": {"default": 4},
            "guidance": {"default": 3},
        }
        | style,
    )


CATALOG = Catalog(
    models={
        "eros": model("eros", {"engine": "cloud", "price": 0.25}, {"engine": "other"}),
        "atlas": model("atlas", {"engine": "cloud"}, {"engine": "cloud", "edits": "image"}),
    },
    characters={},
)


def standing(*states, spent=0, catalog=CATALOG, now=NOW, **fields):
    """The standing of `cloud`, as worker processes with these states tell of it."""
    engine = parse_remote_engine("cloud", {"kind": "openai", **fields})
    beats = [
        WorkerHeartbeat(name=f"w #{n}", queues=(), pid=n, memory_bytes=1, engines={"cloud": one}, since=1, at=now)
        for n, one in enumerate(states)
    ]
    idle = WorkerHeartbeat(name="finish #1", queues=("finish",), pid=9, memory_bytes=1, since=1, at=now)
    (found,) = find_standings({"cloud": engine}, catalog, {"cloud": spent}, [*beats, idle], now=now)
    return found


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([EngineState()], "available"),
        ([AWAY, AWAY], "pauses until 12:01 UTC: cloud does not answer"),
        ([AWAY, EngineState()], "pauses until 12:01 UTC: cloud does not answer (1 of 2 worker processes)"),
        ([REFUSED], "cloud refuses the key (CLOUD_KEY)"),
        ([EngineState(reason="cloud does not answer", code="remote_engine_away", until=NOW - 1)], "available"),
        ([], "no worker draws with its models"),
    ],
    ids=["well", "away", "one of two", "key refused, asked again", "pause over", "no worker"],
)
def test_the_state_is_what_workers_tell(states, told):
    """A pause counts until its end, a refused key until the engine takes one."""
    assert standing(*states).state == told


@pytest.mark.parametrize(
    ("spent", "fields", "problem"),
    [
        (9_750_000, {"price": 1, "monthly_cap": 10}, ""),
        (9_750_001, {"price": 1, "monthly_cap": 10}, "over its cap: off until 1 December"),
        (9_900_001, {"price": 0.1, "monthly_cap": 10}, "over its cap: off until 1 December"),
        (10_000_000, {"price": 0, "monthly_cap": 10}, ""),
        (1, {"price": 0, "monthly_cap": 0}, "over its cap: off until 1 December"),
        (10**12, {"price": 1}, ""),
    ],
)
def test_an_engine_is_off_where_its_cheapest_picture_is_over_the_cap(spent, fields, problem):
    """The prices of its models' entries count as well as its own; without a cap none is too much."""
    found = standing(EngineState(), spent=spent, **fields)
    assert (found.problem, found.spent_micros, found.models) == (problem, spent, ("eros", "atlas"))


@pytest.mark.parametrize(("now", "first"), [(NOW + 31 * 86_400, "1 January"), (NOW - 303 * 86_400, "1 February")])
def test_the_month_after_is_named(now, first):
    """Also at the end of a year and after a month of 31 days."""
    assert standing(spent=1, monthly_cap=0, now=now).problem == f"over its cap: off until {first}"


def test_an_engine_of_no_model_is_told():
    """It is no problem: nothing waits for it."""
    found = standing(catalog=Catalog(models={"atlas": model("atlas", {"engine": "other"})}, characters={}))
    assert (found.problem, found.state) == ("", "no model names it")


def test_without_redis_the_state_is_not_known():
    """The spending is."""
    engine = parse_remote_engine("cloud", {"kind": "openai", "monthly_cap": 1})
    (found,) = find_standings({"cloud": engine}, CATALOG, {"cloud": 7}, None, now=NOW)
    assert (found.problem, found.state, found.spent_micros) == ("", "not known: Redis does not answer", 7)
