"""One stack for the tests of faults, which leave it running, and its truth."""

import contextlib

import pytest
from faults.storms import told_storm
from faults.truth import FAST, MODELS, pids, truth_of
from servers.stack import PARTS, start_stack

SETTINGS = f"""{FAST}
[http]
processes = 2

[cache]
enabled = true

[review]
free_blocks = 100000

[webhooks]
allow = ["127.0.0.0/8"]
timeout_s = 2
retry_pauses_s = [0.2, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
"""
"""Two API processes, and an embedder beside them."""


PLANS = """
[stormy]
label = "Stormy"
credits_per_month = 15

[packs.pack_20]
label = "Twenty"
credits = 20

[packs.pack_5000]
label = "Many"
credits = 5000
"""
"""A plan whose credits are soon used up."""


@pytest.fixture(scope="package")
def stack(tmp_path_factory):
    """A running stack."""
    data = tmp_path_factory.mktemp("faults") / "var"
    data.mkdir()
    (data / "plans.toml").write_text(PLANS)
    with start_stack(data, settings=SETTINGS, models=MODELS) as running:
        yield running


@pytest.fixture
def truth(stack):
    """Its truth, once all its parts run."""
    with truth_once_it_runs(stack) as opened:
        yield opened


@pytest.fixture(
    scope="package", params=[(20, 6), pytest.param((250, 40), marks=pytest.mark.faults)], ids=["sample", "storm"]
)
def storm(request, stack):
    """Past storm, whose books and webhooks are looked at."""
    jobs, kills = request.param
    with truth_once_it_runs(stack) as opened, told_storm(stack, opened, jobs, kills) as past:
        yield past


@contextlib.contextmanager
def truth_once_it_runs(stack):
    for part in PARTS:
        pids(stack, part)
    with truth_of(stack.data) as opened:
        yield opened
