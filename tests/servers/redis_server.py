"""A Redis of a test's own: on a socket, in memory alone, to be stopped, frozen and started again."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from imgen.stack.redis import find_server


@dataclass
class RedisServer:
    """Where it is, and its process."""

    folder: Path
    password: str = ""
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        secret = f":{self.password}@" if self.password else ""
        return f"unix://{secret}{self.folder / 'redis.sock'}?db=0"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Starts it, empty, and waits until it answers."""
        command = [find_server(), "--port", "0", "--unixsocket", str(self.folder / "redis.sock"), "--save", ""]
        command += ["--loglevel", "warning", "--requirepass", self.password]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        with self.client() as client:
            while True:
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    return
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def kill(self) -> None:
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Keeps connections open and answers nothing, as a machine that hangs does."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def start_redis(folder: Path, password: str = "") -> Iterator[RedisServer]:
    """Runs for the length of the block."""
    server = RedisServer(folder, password)
    server.start()
    try:
        yield server
    finally:
        server.thaw()
        server.kill()
