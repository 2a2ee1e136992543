"""Semantic cache: a hit through the real stack (`generate`, then the finished picture), and one search of 100,000 entries."""

import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import numpy as np
from sqlalchemy import insert, select, text

from bench.figure import Figure
from bench.fixtures import HOST, free_port
from imgen import composition, settings
from imgen.live import epochs
from imgen.live.executors import BlockingExecutor
from imgen.records.tables.cache import cache_entries
from imgen.services.semantic_cache.vectors import VectorIndex

KEPT = 10_000
SEARCHED = 100_000
MOST_HIT_MS = 40
MOST_COMPLETED_MS = 400
MOST_SEARCH_MS = 30
NUMBERS = 384
MODELS = """
[eros]
label = "Eros"
source = "none"
backend = "instant"
steps = { default = 4 }
guidance = { default = 3.5 }
default_style = "plain"
styles = { plain = { label = "Plain" } }
call = { step_s = 0.0 }
"""
WORDS = ("lighthouse", "harbour", "teapot", "violin", "cactus", "meadow", "lantern", "kite", "bakery", "glacier")


def measure(*, kept: int = KEPT, searched: int = SEARCHED, hits: int = 60) -> list[Figure]:
    """Measures medians of hits with distinct prompts, and of searches over all entries of one partition."""
    generate_s, completed_s = _hits(kept, hits)
    return [
        Figure(
            what=f"cache hit, {kept:,} entries",
            value=statistics.median(generate_s) * 1e3,
            unit="ms",
            at_most=MOST_HIT_MS,
            detail="`generate`, median; distinct prompts",
        ),
        Figure(
            what="cache hit to COMPLETED",
            value=statistics.median(completed_s) * 1e3,
            unit="ms",
            at_most=MOST_COMPLETED_MS,
            detail="JPEG, 1344 × 768",
        ),
        Figure(
            what=f"cache search, {searched:,}",
            value=statistics.median(_searches(searched)) * 1e3,
            unit="ms",
            at_most=MOST_SEARCH_MS,
            detail="exact, one partition",
        ),
    ]


def _hits(kept: int, hits: int) -> tuple[list[float], list[float]]:
    """Measures seconds to the answer and to the picture."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        data, port = Path(folder), free_port()
        (data / "models.toml").write_text(MODELS)
        (data / "characters.toml").write_text("")
        (data / "imgen.toml").write_text('default_plan = "unlimited"\n[logs]\nlevel = "WARNING"\n')
        command = [sys.executable, "-m", "imgen.cli", "up", "--data", folder, "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
            try:
                key = _await_ready(up)
                with httpx2.Client(
                    base_url=f"http://{HOST}:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=30
                ) as client:
                    return _drive(client, data, kept, hits)
            finally:
                up.terminate()
                up.wait(60)


def _await_ready(up: "subprocess.Popen[str]") -> str:
    """Returns the first key."""
    key = ""
    for line in up.stdout or ():
        if "first key" in line:
            key = line.split()[2]
        if "Ready:" in line:
            return key
    raise RuntimeError("the stack ended before it was ready")


def _drive(client: httpx2.Client, data: Path, kept: int, hits: int) -> tuple[list[float], list[float]]:
    def post(**body: object) -> dict[str, object]:
        answer: dict[str, object] = client.post("/api/v2", json=body).raise_for_status().json()
        return answer

    def wait(job: dict[str, object]) -> None:
        while post(action="status", id=job["id"])["status"] != "COMPLETED":
            time.sleep(0.005)

    prompts = [f"a {one} beside a {other}" for one in WORDS for other in WORDS if one != other][: min(hits, 30)]
    for prompt in prompts:
        wait(post(action="generate", prompt=prompt, use_cache=True))
    _fill(data, kept)
    wait(post(action="generate", prompt=prompts[0], use_cache=True))  # the first look-up reads them all
    generate_s, completed_s = [], []
    for number in range(hits):
        started = time.perf_counter()
        job = post(action="generate", prompt=prompts[number % len(prompts)], use_cache=True, cache_only=True)
        generate_s.append(time.perf_counter() - started)
        wait(job)
        completed_s.append(time.perf_counter() - started)
    return generate_s[5:] or generate_s, completed_s[5:] or completed_s


def _fill(data: Path, kept: int) -> None:
    """Stores copies of an entry with random vectors, in the same partition."""
    database = composition.open_database(settings.load(data))
    try:
        with database.write() as connection:
            row = dict(connection.execute(select(cache_entries)).mappings().first() or {})
            vectors = _unit_vectors(kept)
            rows = [
                row | {"id": f"ent_{n:020x}", "job_id": secrets.token_hex(12), "vector": vectors[n].tobytes()}
                for n in range(kept)
            ]
            connection.execute(insert(cache_entries), rows)
        with database.engine.connect() as connection:  # else the next hundred commits would do it bit by bit
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        live = BlockingExecutor(settings.load(data).redis_url)
        live.run(epochs.bump(epochs.CACHE))
        live.close()
    finally:
        database.close()


def _searches(searched: int, looks: int = 40) -> list[float]:
    """Measures seconds of single searches."""
    index, vectors = VectorIndex(), _unit_vectors(searched)
    index.add((str(number), "p", vector.tobytes()) for number, vector in enumerate(vectors))
    times = []
    for number in range(looks):
        started = time.perf_counter()
        index.nearest("p", vectors[number].tobytes(), over=0.95, limit=64)
        times.append(time.perf_counter() - started)
    return times


def _unit_vectors(count: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    vectors = np.random.default_rng(1).standard_normal((count, NUMBERS), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype("<f4")
