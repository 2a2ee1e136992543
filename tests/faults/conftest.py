"""One stack for the tests of faults, which leave it running, and its truth."""

import pytest
from faults.truth import FAST, MODELS, pids, truth_of
from servers.stack import PARTS, start_stack

SETTINGS = f"""{FAST}
[http]
processes = 2

[cache]
enabled = true
"""
"""Two API processes, and an embedder beside them."""


@pytest.fixture(scope="package")
def stack(tmp_path_factory):
    """A running stack."""
    with start_stack(tmp_path_factory.mktemp("faults") / "var", settings=SETTINGS, models=MODELS) as running:
        yield running


@pytest.fixture
def truth(stack):
    """Its truth, once all its parts run."""
    for part in PARTS:
        pids(stack, part)
    with truth_of(stack.data) as opened:
        yield opened
