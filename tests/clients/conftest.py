"""The clients one after another, the server they talk to, and a folder for what they save."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.scripts import KINDS, Client
from servers.action_stub import Stub, start_stub


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    return KINDS[request.param](tmp_path)


@pytest.fixture
def stub() -> Iterator[Stub]:
    with start_stub() as running:
        yield running


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Deep enough that a climbing file name stays inside the test's own folder."""
    folder = tmp_path / "a" / "b" / "out"
    folder.mkdir(parents=True)
    return folder
