"""Installing packages: progress, and plain words where a wheel is missing. Asks no index: wheels lie in a folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[2] / "deploy" / "install_packages.py"


@pytest.fixture
def install(tmp_path):
    """Runs the installer into a folder, with a folder of wheels as the only place to find them."""
    with zipfile.ZipFile(tmp_path / "something-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("something.py", "")
        wheel.writestr("something-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: something\nVersion: 1.0\n")
        wheel.writestr(
            "something-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("something-1.0.dist-info/RECORD", "")
    (tmp_path / "sources-1.0.tar.gz").write_bytes(b"a package that would have to be compiled")

    def run(*arguments):
        where = ["--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / "installed")]
        command = [sys.executable, INSTALL, *arguments[:-1], *where, arguments[-1]]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={})

    return run


def test_a_wheel_is_installed(install, tmp_path):
    """One line tells how many packages came, and in how many seconds."""
    done = install("something")
    assert done.returncode == 0, done.stderr
    assert "packages installed: 1" in done.stdout
    assert (tmp_path / "installed" / "something.py").exists()


@pytest.mark.parametrize("package", ["nothing==1.0", "sources==1.0"])
def test_a_missing_wheel_is_one_line_by_name(install, package):
    """A package without a wheel is named with the Python and the machine; nothing is compiled."""
    done = install(package)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"There is no wheel of {package} for CPython 3.")


def test_an_optional_package_is_excused(install):
    """A package one can go without costs the sentence given, and no failure."""
    done = install("--optional", "It goes without.", "nothing")
    assert (done.returncode, done.stdout) == (0, "It goes without.\n")
