"""The scripts of docs/clients and how each is started, with every HTTP and JSON tool it can use. Tests nothing itself."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.node import node_program

CLIENTS = Path(__file__).parents[2] / "docs" / "clients"
POLL_S = 0.01
WORDS = ["@aya red coat,", "on a beach,", "-hat"]
SHELL_TOOLS = ("cat", "cp", "curl", "mkdir", "mktemp", "od", "rm", "sed", "sh", "sleep")


@dataclass(frozen=True)
class Client:
    """A script, how it is started, and where it finds programs."""

    command: tuple[str, ...]
    path: str

    def run(self, url: str, key: str, *arguments: str, poll_s: float = POLL_S) -> subprocess.CompletedProcess[str]:
        """Runs the script to its end with these arguments behind its name."""
        env = {"PATH": self.path, "LANG": "C.UTF-8", "IMGEN_URL": url, "IMGEN_KEY": key, "IMGEN_POLL_S": str(poll_s)}
        return subprocess.run(
            [*self.command, *arguments],
            env=env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: its client was not tried")
    return found


def folder_with(folder: Path, programs: dict[str, str]) -> str:
    folder.mkdir()
    for name, target in programs.items():
        (folder / name).symlink_to(target)
    return str(folder)


def without_curl(tmp_path: Path) -> Client:
    return Client(
        (program("php"), "-d", "disable_functions=curl_init", str(CLIENTS / "generate.php")), os.environ["PATH"]
    )


def with_curl(tmp_path: Path) -> Client:
    _needs_curl()
    return Client((program("php"), str(CLIENTS / "generate.php")), os.environ["PATH"])


def _needs_curl() -> None:
    """Skips where PHP has no curl extension."""
    if "curl" not in subprocess.run([program("php"), "-m"], capture_output=True, text=True, check=True).stdout.split():
        pytest.skip("php has no curl extension: only its streams were tried")


def shell_with(tmp_path: Path, **json_tools: str) -> Client:
    tools = {name: program(name) for name in SHELL_TOOLS} | json_tools
    return Client((tools["sh"], str(CLIENTS / "generate.sh")), folder_with(tmp_path / "bin", tools))


KINDS = {
    "node": lambda _tmp: Client((program("node"), str(CLIENTS / "generate.mjs")), os.environ["PATH"]),
    "python": lambda _tmp: Client((sys.executable, str(CLIENTS / "generate.py")), os.environ["PATH"]),
    "php-curl": with_curl,
    "php-streams": without_curl,
    "sh-jq": lambda tmp: shell_with(tmp, jq=program("jq")),
    "sh-python": lambda tmp: shell_with(tmp, python3=os.path.realpath(sys.executable)),
}


def rest_kinds(folder: Path, *tools: str) -> dict[str, Callable[[Path], Client]]:
    """The clients of a REST surface in a folder of docs/clients; `tools` are those of its shell script beside curl and jq."""

    def php(*options: str) -> Client:
        return Client((program("php"), *options, str(folder / "generate.php")), os.environ["PATH"])

    def shell(tmp_path: Path) -> Client:
        found = {name: program(name) for name in (*SHELL_TOOLS, "jq", *tools)}
        return Client((found["sh"], str(folder / "generate.sh")), folder_with(tmp_path / "bin", found))

    return {
        "node": lambda _tmp: Client((str(node_program()), str(folder / "generate.ts")), os.environ["PATH"]),
        "python": lambda _tmp: Client((sys.executable, str(folder / "generate.py")), os.environ["PATH"]),
        "php-curl": lambda _tmp: _needs_curl() or php(),
        "php-streams": lambda _tmp: php("-d", "disable_functions=curl_init"),
        "sh": shell,
    }


ONE_OF_EACH = ("node", "python", "php-curl", "sh-jq")
one_of_each = pytest.mark.parametrize("client", ONE_OF_EACH, indirect=True)
"""For behaviour that does not depend on the HTTP or JSON tool underneath."""


def installed(
    kinds: Iterable[str], tmp_path: Path, makers: Mapping[str, Callable[[Path], Client]] = KINDS
) -> dict[str, Client]:
    """Those of these clients that can run here, for tests that run them side by side because they mostly wait."""
    clients = {}
    for kind in kinds:
        (tmp_path / kind).mkdir()
        with suppress(pytest.skip.Exception):  # what is not installed is told by the other tests
            clients[kind] = makers[kind](tmp_path / kind)
    return clients


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
