"""RunPod's endpoints for the tests of this folder, and models that they draw."""

import pytest
from pydantic import SecretStr
from servers.comfyui_models import SHIPPED
from servers.runpod import KEY, PLAIN, start_runpod

from imgen.domain.remote_engine import parse_remote_engine
from workers.engines.remote.runpod import RunPod


@pytest.fixture(scope="module")
def running():
    with start_runpod() as started:
        yield started


@pytest.fixture
def pod(running):
    """State of the service, which has been asked nothing."""
    running[1].reset()
    yield running[1]
    running[1].reset()


@pytest.fixture
def remote(running):
    """Makes the account's entry in engines.toml."""

    def make(**changes):
        table = {"kind": "runpod", "base_url": f"{running[0].url}/v2", "api_key_env": "RUNPOD_KEY", "timeout_s": 20}
        return parse_remote_engine("elsewhere", table | changes)

    return make


@pytest.fixture
def load(pod, remote, load_entries):
    """Loads a model of these entries."""

    def make(*entries, folders=(SHIPPED,), key=KEY, **changes):
        return load_entries(remote(**changes), key, entries or (PLAIN,), folders)

    return make


@pytest.fixture
def client(pod, remote, run_client):
    """Runs a coroutine that is made with a client and a request for a picture from words."""

    def run(work, outage_s=0.6, choice=PLAIN, shot=None, key=KEY, **changes):
        return run_client(
            lambda: RunPod(remote(**changes), SecretStr(key), (SHIPPED,), outage_s=outage_s), work, choice, shot
        )

    return run
