"""A Redis of a test's own: on a socket, to be stopped, frozen and started again; in memory alone, or with a log on disk."""

import contextlib
import shutil
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
    """Address and process of a server."""

    folder: Path
    password: str = ""
    is_logged: bool = False
    """Whether it keeps an append-only file, synced with each write."""
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        secret = f":{self.password}@" if self.password else ""
        return f"unix://{secret}{self.folder / 'redis.sock'}?db=0"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Starts it, empty or with what its log has, and waits until it answers."""
        command = [find_server(), "--port", "0", "--unixsocket", str(self.folder / "redis.sock"), "--save", ""]
        command += ["--loglevel", "warning", "--requirepass", self.password]
        if self.is_logged:
            command += ["--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        with self.client() as client:
            while True:
                with contextlib.suppress(redis.RedisError):
                    client.exists("any")  # while it reads its log it answers PING alone
                    return
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def kill(self) -> None:
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait()

    def keep_log(self) -> None:
        """Keeps a copy of its log as it is now."""
        self._copy(self._log, self.folder / "kept")

    def crash_back(self) -> None:
        """Ends it as a crash would and starts it with the log that was kept: what was written since is lost."""
        self.kill()
        self._copy(self.folder / "kept", self._log)
        self.start()

    @property
    def _log(self) -> Path:
        """A folder of files since version 7, one file before."""
        folder = self.folder / "appendonlydir"
        return folder if folder.is_dir() else self.folder / "appendonly.aof"

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)

    def freeze(self) -> None:
        """Keeps connections open and answers nothing, as a machine that hangs does."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def start_redis(folder: Path, password: str = "", *, is_logged: bool = False) -> Iterator[RedisServer]:
    """Runs for the length of the block."""
    server = RedisServer(folder, password, is_logged)
    server.start()
    try:
        yield server
    finally:
        server.thaw()
        server.kill()
