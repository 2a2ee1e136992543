"""Parts of the stack, in the order in which `imgen up` and `imgen demo` start them."""

import contextlib
import importlib.util
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import redis

from imgen.configuration import load_catalog
from imgen.domain.errors import ConfigurationError
from imgen.domain.job import FINISH_QUEUE, render_queue
from imgen.settings import EMBEDDED_MODEL, EMBEDDED_PACKAGE, Settings
from imgen.settings.addresses import local_url
from imgen.stack import redis as embedded
from imgen.stack.supervisor import Part

OLD_REDIS_S = 10
WORKER_GRACE_S = 75
"""Seconds for a running render to end; a longer one is killed, and the next worker renders the job anew."""


def stack(settings: Settings) -> Iterator[Part]:
    """Yields the parts for these settings one by one: a later part may need an earlier one to run.

    Raises:
        ConfigurationError: an earlier run's Redis still answers.
    """
    environ = {"IMGEN_DATA": str(settings.data_dir), "IMGEN_CONFIG": str(settings.config_dir)}
    if not settings.redis.url.get_secret_value():
        _wait_for_old_redis(settings.redis_url)
        yield Part(
            name="redis",
            command=embedded.command(settings.data_dir),
            is_ready=lambda: _answers(settings.redis_url),
            detail=embedded.find_server(),
        )
    models = load_catalog(settings).models.values()
    if here := [render_queue(model.key) for model in models if not model.is_remote]:
        yield _worker("render worker", here, 1, environ)
    if elsewhere := [render_queue(model.key) for model in models if model.is_remote]:
        yield _worker("remote worker", elsewhere, 1, environ)
    yield _worker("finish worker", [FINISH_QUEUE], settings.workers.finish_processes, environ)
    if settings.cache.enabled and not settings.cache.base_url and importlib.util.find_spec(EMBEDDED_PACKAGE):
        socket_file = settings.embedder_socket
        yield Part(
            name="embedder",
            command=_imgen("embedder"),
            is_ready=lambda: _listens(socket_file),
            detail=EMBEDDED_MODEL,
            environ=environ,
        )
    yield _with_ready_file("dispatcher", ["dispatcher"], environ, grace_s=settings.webhooks.timeout_s + 5)
    host, port = settings.http.host, settings.http.port
    yield Part(
        name="api",
        command=_imgen("api", "--host", host, "--port", str(port)),
        is_ready=lambda: _is_up(f"{local_url(host, port)}/healthz"),
        environ=environ,
        grace_s=settings.http.shutdown_timeout_s + 5,
    )


def _worker(name: str, queues: list[str], processes: int, environ: dict[str, str]) -> Part:
    command = ["worker", "--queues", ",".join(queues), "--processes", str(processes)]
    return _with_ready_file(name, command, environ, detail=", ".join(queues), grace_s=WORKER_GRACE_S)


def _with_ready_file(
    name: str, command: list[str], environ: dict[str, str], *, detail: str = "", grace_s: float
) -> Part:
    """Makes a part that listens nowhere: it touches a file when it is ready."""
    ready_file = Path(tempfile.mkdtemp(prefix="imgen-")) / "ready"
    return Part(
        name=name,
        command=_imgen(*command, "--ready-file", str(ready_file)),
        is_ready=lambda: _consume_ready_file(ready_file),
        detail=detail,
        environ=environ,
        grace_s=grace_s,
    )


def _imgen(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "imgen.cli", *arguments]


def _consume_ready_file(ready_file: Path) -> bool:
    """Returns whether the part has made its ready file; removes the file."""
    if not ready_file.exists():
        return False
    ready_file.unlink()
    ready_file.parent.rmdir()
    return True


def _wait_for_old_redis(url: str) -> None:
    """Waits until the Redis of an earlier, killed run has ended: two on the same files would ruin them."""
    deadline = time.monotonic() + OLD_REDIS_S
    while _answers(url):
        if time.monotonic() > deadline:
            raise ConfigurationError(f"A Redis that an earlier run left behind still answers at {url}; end it first")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def _listens(socket_file: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        probe.connect(str(socket_file))
        return True
    return False


def _is_up(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=1).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False
