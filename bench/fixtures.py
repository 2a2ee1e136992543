"""Fixtures of the HTTP benchmarks: a data folder, its Redis, and servers as processes of their own; no workers.

The server under test has the first core to itself; Redis and the load share the last one.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from imgen import composition, settings
from imgen.domain.principal import Principal, TenantKey, key_principal, new_raw_key
from imgen.live.executors import BlockingExecutor
from imgen.records import api_keys, schema, tenants
from imgen.records.database import Database
from imgen.stack import redis as embedded

HOST = "127.0.0.1"
READY_WITHIN_S = 30
SERVER_CORE, *_, LOAD_CORE = sorted(os.sched_getaffinity(0)) * 2


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """Data folder with one key of a plan without limits, and its Redis."""

    data: Path
    redis_url: str
    database: Database
    live: BlockingExecutor
    raw_key: str
    principal: Principal


@contextlib.contextmanager
def open_fixture(own_settings: str = "") -> Iterator[Fixture]:
    """Makes a fresh folder with a running Redis until the block ends; `own_settings` is its imgen.toml."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        data = Path(folder)
        (data / "imgen.toml").write_text(f'{own_settings}\n[logs]\nlevel = "WARNING"\n')
        loaded = settings.load(data)
        url = loaded.redis_url
        with run_process(embedded.command(data), LOAD_CORE):
            await_ready(lambda: _pings(url))
            database, live, raw_key = composition.open_database(loaded), BlockingExecutor(url), new_raw_key()
            schema.upgrade(database)
            with database.write() as connection:
                tenant = tenants.ensure_tenant(connection, "bench", "unlimited")
                key = api_keys.add_key(connection, raw_key, tenant=tenant, name="bench")
            try:
                yield Fixture(
                    data=data,
                    redis_url=url,
                    database=database,
                    live=live,
                    raw_key=raw_key,
                    principal=key_principal(TenantKey(key=key, tenant=tenant)),
                )
            finally:
                live.close()
                database.close()


@dataclass(frozen=True)
class Server:
    """Listening process."""

    port: int
    pid: int
    ready_in_s: float
    """Seconds from its start to the first answer."""


@contextlib.contextmanager
def serve_api(fixture: Fixture) -> Iterator[Server]:
    """Runs the real `imgen api`, one process."""
    with serve([sys.executable, "-m", "imgen.cli", "api", "--data", str(fixture.data)]) as server:
        yield server


@contextlib.contextmanager
def serve(command: list[str]) -> Iterator[Server]:
    """Runs a server that takes `--port` on the first core; yields once it answers GET /healthz in any way."""
    port = free_port()
    started = time.perf_counter()
    with run_process([*command, "--port", str(port)], SERVER_CORE) as pid:
        await_ready(lambda: _answers(port))
        yield Server(port, pid, time.perf_counter() - started)


def free_port() -> int:
    """Finds a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def request(fixture: Fixture, path: str, body: bytes) -> bytes:
    """Formats a POST as bytes on the wire, keep-alive."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {fixture.raw_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get_request(fixture: Fixture, path: str) -> bytes:
    """Formats a GET as bytes on the wire, keep-alive."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {fixture.raw_key}\r\n\r\n".encode()


@contextlib.contextmanager
def run_process(command: list[str], core: int) -> Iterator[int]:
    """Runs a process on one core until the block ends; yields its id."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, {core})  # before it has threads, which inherit it
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(READY_WITHIN_S)


def await_ready(is_ready: Callable[[], bool], within_s: float = READY_WITHIN_S) -> None:
    """Waits until something is true. Raises TimeoutError if it is not in time."""
    deadline = time.monotonic() + within_s
    while not is_ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready within {within_s} s")
        time.sleep(0.005)


def _pings(url: str) -> bool:
    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url) as client:
        return bool(client.ping())
    return False


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(12).startswith(b"HTTP/1.1 ")
    return False
