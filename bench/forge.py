"""Forge over HTTP beside the Action API and a bare echo; assets from disk beside Starlette's own response of a file; isolation.

The servers take turns, and medians of the turns' ratios are told. No worker runs.
"""

import contextlib
import statistics
import sys

import msgspec

from bench import forge_isolation
from bench.figure import Figure
from bench.fixtures import LOAD_CORE, Server, get_request, open_fixture, request, serve, serve_api
from bench.forge_samples import SETTINGS, finished_job
from bench.load import Load, drive
from bench.samples import POSITIVE, PROMPT
from imgen.domain.ids import uuid_form

CONNECTIONS = 32
LEAST_OF_STATUS, LEAST_OF_GENERATE, LEAST_OF_FILE = 0.9, 0.8, 0.8


def measure(*, rounds: int = 7, seconds: float = 1.5, pairs: int = 600) -> list[Figure]:
    """Measures rates at 32 connections, and the time of `pairs` of answers about what is another's and what is not there."""
    return _rates(rounds, seconds) + forge_isolation.figures(rounds=pairs)


def _rates(rounds: int, seconds: float) -> list[Figure]:
    with open_fixture(SETTINGS) as fixture, contextlib.ExitStack() as servers:
        job, path = finished_job(fixture)
        baseline = [sys.executable, "-m", "bench.baselines"]
        api = servers.enter_context(serve_api(fixture))
        echo = servers.enter_context(serve([*baseline, "echo"]))
        file = servers.enter_context(serve([*baseline, "file", "--data", str(path)]))
        sha256 = job.outcome.meta.sha256
        poll, submit = {"action": "status", "id": job.id}, {"action": "generate", "prompt": PROMPT}
        asked: dict[str, tuple[Server, bytes]] = {
            "poll": (api, get_request(fixture, f"/v2/jobs/{uuid_form(job.id)}")),
            "status": (api, request(fixture, "/api/v2", msgspec.json.encode(poll))),
            "submit": (api, request(fixture, "/v2/generate", msgspec.json.encode({"prompt": POSITIVE}))),
            "generate": (api, request(fixture, "/api/v2", msgspec.json.encode(submit))),
            "echo": (echo, request(fixture, "/api/v2", msgspec.json.encode(poll))),
            "asset": (api, get_request(fixture, f"/v2/assets/{sha256}")),
            "file": (file, get_request(fixture, "/file")),
        }
        loads: dict[str, list[Load]] = {name: [] for name in asked}
        for _ in range(rounds):
            for name, (server, sent) in asked.items():
                loads[name].append(drive(server.port, sent, connections=CONNECTIONS, seconds=seconds, core=LOAD_CORE))
    return [
        _figure("forge poll / status", ("poll", "status", "echo"), loads, LEAST_OF_STATUS),
        _figure("forge submit / generate", ("submit", "generate", "echo"), loads, LEAST_OF_GENERATE),
        _figure("forge asset / Starlette's file", ("asset", "file"), loads, LEAST_OF_FILE),
    ]


def _figure(what: str, names: tuple[str, ...], loads: dict[str, list[Load]], at_least: float) -> Figure:
    """Compares the first with the second, and tells the rates of all."""
    ours, theirs = (loads[name] for name in names[:2])
    return Figure(
        what=what,
        value=statistics.median(a.per_s / b.per_s for a, b in zip(ours, theirs, strict=True)),
        at_least=at_least,
        detail="; ".join(f"{name} {statistics.median(load.per_s for load in loads[name]):,.0f}/s" for name in names),
    )
