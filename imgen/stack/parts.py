"""Which parts make the stack, in the order they are started. The table `imgen up` and `imgen demo` walk."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import redis

from imgen.domain.job import FINISHER, render_queue
from imgen.settings import Settings, load_catalog
from imgen.stack import redis as embedded
from imgen.stack.supervisor import Part

WORKER_GRACE_S = 75
"""In which a running picture may end; one that takes longer is broken off, and made anew by the next worker."""


def stack(settings: Settings) -> Iterator[Part]:
    """The parts for these settings. Made one by one: a later one may need what an earlier one has brought up."""
    environ = {"IMGEN_DATA": str(settings.data_dir), "IMGEN_CONFIG": str(settings.config_dir)}
    if not settings.redis.url.get_secret_value():
        yield Part(
            name="redis",
            command=embedded.command(settings.data_dir),
            is_ready=lambda: _answers(settings.redis_url),
            detail=embedded.find_server(),
        )
    models = load_catalog(settings).models
    yield _worker("render worker", [render_queue(key) for key in models], 1, environ)
    yield _worker("finish worker", [FINISHER], settings.workers.finish_processes, environ)
    host, port = settings.http.host, settings.http.port
    yield Part(
        name="api",
        command=_imgen("api", "--host", host, "--port", str(port)),
        is_ready=lambda: _is_up(f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/healthz"),  # noqa: S104 - compared, not bound
        environ=environ,
        grace_s=settings.http.shutdown_timeout_s + 5,
    )


def _worker(name: str, queues: list[str], processes: int, environ: dict[str, str]) -> Part:
    sign = Path(tempfile.mkdtemp(prefix="imgen-")) / "ready"
    command = _imgen("worker", "--queues", ",".join(queues), "--processes", str(processes), "--ready-file", str(sign))
    return Part(
        name=name,
        command=command,
        is_ready=lambda: _take(sign),
        detail=", ".join(queues),
        environ=environ,
        grace_s=WORKER_GRACE_S,
    )


def _imgen(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "imgen.cli", *arguments]


def _take(sign: Path) -> bool:
    """Whether the worker has left its sign; takes it away."""
    if not sign.exists():
        return False
    sign.unlink()
    sign.parent.rmdir()
    return True


def _answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def _is_up(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=1).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False
