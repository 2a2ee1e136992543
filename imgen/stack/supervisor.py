"""Supervisor of child processes: starts parts in order, restarts a part that ends, stops them in reverse. Knows no part."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from imgen.domain.errors import ConfigurationError

PR_SET_PDEATHSIG = 1
"""Option of prctl(2): signal for a child whose parent dies, so that a killed supervisor leaves no process behind."""
RESTART_PAUSE_S = 0.5
MAX_RESTARTS = 20
"""Restarts in a row, each within RESTART_WINDOW_S of the start, after which the stack stops with the part's last log line."""
RESTART_WINDOW_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the stack."""

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool]
    """Polled until it returns True; must not block for long."""
    detail: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 10
    """Seconds to end after SIGTERM; then it is killed."""
    ready_within_s: float = 60


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen[bytes]
    started_at: float
    quick_exits: int = 0
    restart_at: float | None = None
    """Set while the process has ended and waits for its restart."""


class Supervisor:
    """Context manager that runs parts; leaving it stops all of them."""

    def __init__(self, say: Callable[[str, str], None], log_dir: Path) -> None:
        """`say(part, state)` prints for a person; the output of a part goes to `<log_dir>/<part>.log`."""
        self._say = say
        self._log_dir = log_dir
        log_dir.mkdir(parents=True, exist_ok=True)
        self._running: list[_Running] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, part: Part) -> None:
        """Starts a part and waits until it is ready.

        Raises:
            ConfigurationError: it ended or did not get ready in time.
        """
        running = _Running(part, self._spawn(part), time.monotonic())
        self._running.append(running)
        while not part.is_ready():
            if running.process.poll() is not None:
                raise ConfigurationError(f"{part.name} ended before it was ready: {self._log_tail(part)}")
            if time.monotonic() - running.started_at > part.ready_within_s:
                raise ConfigurationError(f"{part.name} was not ready within {part.ready_within_s:.0f} s")
            time.sleep(0.05)
        self._say(part.name, f"ready{part.detail and f' ({part.detail})'}")

    def watch(self) -> None:
        """Restarts parts that end, for ever; a signal handler that raises ends the loop.

        Raises:
            ConfigurationError: a part ends again and again.
        """
        while True:
            for running in self._running:
                if running.restart_at is None and running.process.poll() is not None:
                    self._handle_exit(running)
                if running.restart_at is not None and time.monotonic() >= running.restart_at:
                    running.process, running.started_at = self._spawn(running.part), time.monotonic()
                    running.restart_at = None
            time.sleep(0.1)

    def stop(self) -> None:
        """Stops all parts, the last started first. Each may end its work within its grace."""
        while self._running:
            running = self._running.pop()
            _end(running)
            self._say(running.part.name, "stopped")

    def _handle_exit(self, running: _Running) -> None:
        quick = time.monotonic() - running.started_at < RESTART_WINDOW_S
        running.quick_exits = running.quick_exits + 1 if quick else 0
        if running.quick_exits > MAX_RESTARTS:
            raise ConfigurationError(f"{running.part.name} falls again and again: {self._log_tail(running.part)}")
        self._say(running.part.name, f"ended with {running.process.returncode}, starting again")
        _kill_group(running.process.pid)  # children that outlived their parent
        running.restart_at = time.monotonic() + (RESTART_PAUSE_S if quick else 0)

    def _spawn(self, part: Part) -> subprocess.Popen[bytes]:
        with self._log(part).open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the command is ours
                part.command,
                env=os.environ | dict(part.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C reaches us alone; we stop the parts in order
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads here
            )

    def _log(self, part: Part) -> Path:
        return self._log_dir / f"{part.name.replace(' ', '-')}.log"

    def _log_tail(self, part: Part) -> str:
        lines = self._log(part).read_text("utf-8", "replace").strip().splitlines()
        return f"{lines[-1] if lines else 'no word'} (see {self._log(part)})"


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(running: _Running) -> None:
    process = running.process
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(running.part.grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        _kill_group(process.pid)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
