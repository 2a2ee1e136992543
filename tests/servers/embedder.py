"""Runs `imgen embedder` as `imgen up` does, and a server that speaks the embeddings protocol wrongly."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from servers.faulty_http import Behaviour, answer, cut, hang, reset

from imgen import settings

JSON = {"Content-Type": "application/json"}


@contextlib.contextmanager
def start_embedder(data: Path, *arguments: str, environ: dict | None = None) -> Iterator[subprocess.Popen]:
    """The service over a data folder until the block ends; on its socket there unless told otherwise."""
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "imgen.cli", "embedder", "--data", str(data), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environ)
    try:
        where = settings.load(data, environ={}).embedder_socket
        address = ("127.0.0.1", int(arguments[arguments.index("--port") + 1])) if arguments else str(where)
        deadline = time.monotonic() + 30
        while not _listens(address):
            assert process.poll() is None, "it ended"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def _listens(address: str | tuple[str, int]) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family) as probe:
        probe.connect(address)
        return True
    return False


def embeddings(*vectors: object) -> Behaviour:
    """A whole answer with these vectors."""
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    body = {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    return answer(200, json.dumps(body).encode(), JSON)


FAULTS: dict[str, Behaviour] = {
    "401": answer(401, b'{"error": {"message": "Incorrect API key provided: sk-canary"}}', JSON),
    "404": answer(404, b"404 page not found"),
    "429": answer(429, b"{}", JSON | {"Retry-After": "60"}),
    "500": answer(500, b"<h1>Internal Server Error</h1>"),
    "reset": reset,
    "hangs": hang,
    "cut in the middle": cut,
    "empty body": answer(200, b"", JSON),
    "no JSON": answer(200, b'{"data": [', JSON),
    "not UTF-8": answer(200, b'{"data": "\xff"}', JSON),
    "nested without end": answer(200, b"[" * 100_000, JSON),
    "an error with 200": answer(200, b'{"error": {"message": "model is loading"}}', JSON),
    "no vectors": embeddings(),
    "an empty vector": embeddings([]),
    "zeros": embeddings([0.0] * 384),
    "words": embeddings(["one", "two"]),
    "not a number": answer(200, b'{"data": [{"embedding": [NaN, 1.0]}]}', JSON),
    "beyond all bounds": answer(200, b'{"data": [{"embedding": [1e400, 1.0]}]}', JSON),
    "base64": embeddings("AACAPwAAgD8="),
    "huge": embeddings([0.123456789] * 200_000),
    "too many numbers": embeddings([0.5] * 9000),
}
"""Faults of an endpoint: nothing of it is a vector."""
