"""Hostile uploads over every dialect: the longest time until one is refused. Pictures and requests are those of the tests.

No worker runs. Of several rounds each upload's shortest time counts: the others are the machine's.
"""

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from bench.drawing import drawing, write_models
from bench.figure import Figure
from bench.fixtures import HOST, Fixture, open_fixture, serve_api

TESTS = Path(__file__).parent.parent / "tests"
MOST_MS = 300
TIMEOUT_S = 60
SETTINGS = 'default_plan = "unlimited"\n[jobs]\nmax_queued = 100000\n[openai]\nwait_s = 0.1\n'
REFUSED = (400, 413)


def measure(*, rounds: int = 3, most: int | None = None) -> list[Figure]:
    """Measures every way of sending a picture, with `most` pictures at most; no number: all that the tests send that way."""
    with open_fixture(SETTINGS) as fixture:
        write_models(fixture)
        with (
            serve_api(fixture) as server,
            drawing(fixture) as draw,
            httpx2.Client(
                base_url=f"http://{HOST}:{server.port}", headers=_headers(fixture), timeout=TIMEOUT_S
            ) as client,
        ):
            return [_figure(name, taken) for name, taken in _times(client, draw, rounds=rounds, most=most).items()]


def _headers(fixture: Fixture) -> dict[str, str]:
    return {"Authorization": f"Bearer {fixture.raw_key}"}


def _times(client: httpx2.Client, draw: Any, *, rounds: int, most: int | None) -> dict[str, dict[str, float]]:
    """Returns the milliseconds of each upload, by dialect."""
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    hostile, bombs, sending = (
        importlib.import_module(name) for name in ("hostile_pictures", "bombs", "surfaces.dialects.sending")
    )
    refused = hostile.make_refused(bombs.make_bombs())
    ways = sending.sends(sending.GOOD, _asset_url(client, draw))
    times: dict[str, dict[str, float]] = {}
    for way, build in ways.items():
        sent = {name: build(refused[name]) for name in sending.share(way, list(refused))[:most]}
        for _ in range(rounds):
            for name, one in sent.items():
                taken = times.setdefault(sending.dialect_of(way), {})
                label = f"{way}: {name}"
                taken[label] = min(taken.get(label, float("inf")), _refusal_ms(client, one))
    return times


def _refusal_ms(client: httpx2.Client, sent: Any) -> float:
    headers = {"Content-Type": sent.content_type, **sent.headers}
    started = time.perf_counter()
    answer = client.post(sent.path, content=sent.content, headers=headers)
    taken = time.perf_counter() - started
    if answer.status_code not in REFUSED:
        raise AssertionError(f"{sent.path}: {answer.status_code}")
    return taken * 1000


def _asset_url(client: httpx2.Client, draw: Callable[..., httpx2.Response]) -> str:
    made = draw(lambda: client.post("/v2/generate", json={"prompt": "a vase"}))
    url: str = client.get(f"/v2/jobs/{made.json()['job_id']}").json()["asset_url"]
    return url


def _figure(dialect: str, taken: dict[str, float]) -> Figure:
    slowest = max(taken, key=taken.__getitem__)
    return Figure(
        what=f"hostile uploads: {dialect}",
        value=taken[slowest],
        unit="ms",
        at_most=MOST_MS,
        detail=f"{len(taken)} uploads, median {statistics.median(taken.values()):.0f} ms; slowest: {slowest}",
    )
