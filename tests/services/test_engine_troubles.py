"""Troubles of models drawn elsewhere, as their callers are told them in the lists of models and tiers."""

import pytest
from factories import PLAN, add_tenant, make_job
from msgspec import UNSET

from imgen import configuration
from imgen.domain.catalog import Catalog, parse_model
from imgen.domain.job import State
from imgen.domain.remote_engine import EngineState, parse_remote_engine
from imgen.live import workers
from imgen.live.workers import WorkerHeartbeat
from imgen.records import engine_calls, job_transitions, jobs, ledger
from imgen.services.engine_troubles import engine_troubles, find_troubles
from imgen.services.served_queues import ServedQueues
from imgen.services.tiers import model_offers, tier_offers
from imgen.surfaces.action.translation import models_answer
from imgen.surfaces.tier_offers import tiers_and_models

NOW = 1_796_040_000.0  # 2026-11-30 12:00 UTC
WELL = EngineState()
AWAY = EngineState(reason="cloud: 10.0.0.5 is secret", code="remote_engine_away", since=NOW - 5, until=NOW + 60)
OVER = EngineState(reason="cloud does not answer", code="remote_engine_away", since=NOW - 5, until=NOW - 1)
KEYLESS = EngineState(reason="The environment of its workers has no CLOUD_KEY", code="remote_key_refused")
REFUSED = EngineState(reason="cloud refuses the key", code="remote_key_refused", since=NOW - 9, until=NOW - 1)
MODEL = {
    "label": "Far",
    "backend": "remote",
    "steps": {"default": 4},
    "guidance": {"default": 3.5},
    "default_style": "plain",
    "styles": {"plain": {"label": "Plain"}},
}


def troubles(*engines, states, spent=0, **table):
    """Of a model drawn by these engines, where `cloud` has these states."""
    catalog = Catalog(
        models={
            "far": parse_model("far", MODEL | {"engines": list(engines)}),
            "near": parse_model("near", {"source": "x", **{k: v for k, v in MODEL.items() if k != "backend"}}),
        },
        characters={},
    )
    remotes = {key: parse_remote_engine(key, {"kind": "openai", **table}) for key in ("cloud", "other")}
    return find_troubles(catalog, remotes, {"cloud": spent}, {"cloud": list(states)}, now=NOW)


@pytest.mark.parametrize(
    ("states", "reason"),
    [
        ([], None),
        ([WELL], None),
        ([OVER], None),
        ([AWAY, WELL], None),
        ([AWAY, AWAY], "engine cloud takes no work until 12:01:00 UTC"),
        ([KEYLESS], "the key of engine cloud is not set"),
        ([REFUSED, AWAY], "engine cloud refuses its key"),
    ],
)
def test_an_engine_that_no_process_can_use_is_told(states, reason):
    """By our words alone: the engine's own are for operators."""
    found = troubles({"engine": "cloud"}, states=states)
    assert found == ({} if reason is None else {"far": reason})


@pytest.mark.parametrize(
    ("spent", "price", "is_told"), [(9_000_000, None, False), (9_000_001, None, True), (9_000_001, 0.5, False)]
)
def test_a_cap_is_told_until_its_month_ends(spent, price, is_told):
    """The price of the entry counts, which would bring the engine over it."""
    found = troubles({"engine": "cloud", "price": price}, states=[WELL], spent=spent, price=1, monthly_cap=10)
    told = "engine cloud has reached its spending cap and is off until 1 December"
    assert found == ({"far": told} if is_told else {})


def test_a_model_is_drawn_while_one_of_its_engines_takes_work():
    """Only where none does each is told, once."""
    cloud, other, gone = {"engine": "cloud"}, {"engine": "other"}, {"engine": "gone"}
    assert troubles(cloud, other, gone, states=[AWAY]) == {}
    told = "engine cloud takes no work until 12:01:00 UTC; engines.toml has no engine gone"
    assert troubles(cloud, gone, cloud, states=[AWAY]) == {"far": told}


FILES = {
    "engines.toml": '[cloud]\nkind = "openai"\nprice = 1\nmonthly_cap = 10\n',
    "models.toml": "[far]\nlabel = 'Far'\nbackend = 'remote'\nsteps = { default = 4 }\nguidance = { default = 3.5 }\n"
    "default_style = 'plain'\nstyles = { plain = { label = 'Plain' } }\nengines = [{ engine = 'cloud' }]\n",
    "tiers.toml": "[ultra]\nmodels = ['far']\n[selectable.far]\nlabel = 'Far'\nmodel = 'far'\n",
}


def spend(connection, engine):
    """Books a call of a job that brings the engine up to its cap."""
    add_tenant(connection, "ten_1")
    job = make_job()
    jobs.add(connection, job)
    ledger.hold(connection, job, PLAN)
    job = job_transitions.claim(connection, job.id, waiting=State.QUEUED, lease_s=60, max_attempts=9)
    engine_calls.open_call(connection, job, engine=engine, price_micros=engine.cap_micros)


def test_every_list_tells_it(core, tmp_path):
    """Of a paused engine and of one over its cap; the model keeps all else, since its jobs only wait."""

    async def work(opened):
        for name, text in FILES.items():
            (tmp_path / "var" / name).write_text(text)
        opened.reconfigure(configuration.load(opened.settings))

        async def told():
            opened.served_queues = ServedQueues()  # as after the time for which one reading is kept
            listed = await tiers_and_models(opened)
            (tier,) = [one for one in listed.tiers if one.tier == "ultra"]
            (model,) = [one for one in listed.models if one.id == "far"]
            assert (tier.model, model.default_size) == ("far", "1344x768")
            assert tier.available is model.available
            action = models_answer(opened.catalog, await engine_troubles(opened)).models
            assert {key for key, one in action.items() if one.reason is not UNSET} <= {"far"}
            return model.available, tier.note, model.reason, action["far"].reason

        assert await told() == (True, None, None, UNSET)
        now = opened.clock()
        refused = EngineState(reason="cloud refuses the key", code="remote_key_refused", since=now, until=now)
        beat = WorkerHeartbeat(
            name="w", queues=(), pid=1, memory_bytes=1, engines={"cloud": refused}, since=now, at=now
        )
        await opened.live.run(workers.publish(beat))
        reason = "engine cloud refuses its key"
        unavailable = f"Model far is not available: {reason}"
        assert await told() == (False, f"Unavailable: {reason}", unavailable, reason)
        await opened.live.run(workers.remove("w"))
        engine = opened.configured.engines["cloud"]
        await opened.database.writing(spend, engine)
        (_, note, _, reason) = await told()
        assert reason.startswith("engine cloud has reached its spending cap and is off until 1 ")
        assert note == f"Unavailable: {reason}"
        assert [one.is_available for one in await tier_offers(opened)].count(False) == 1
        assert [one.reason for one in await model_offers(opened) if one.entry.key == "starter"] == [""]

    core(work)
