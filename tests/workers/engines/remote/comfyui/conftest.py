"""A ComfyUI server for the tests of this folder, and models that it draws."""

import pytest
from pydantic import SecretStr
from servers.comfyui import start_comfyui
from servers.comfyui_models import EDIT, SHIPPED, TEXT

from imgen.domain.remote_engine import parse_remote_engine
from workers.engines.remote.comfyui import ComfyUI


@pytest.fixture(scope="module")
def running():
    with start_comfyui() as started:
        yield started


@pytest.fixture
def comfy(running):
    """State of the server, which has been asked nothing."""
    running[1].reset()
    yield running[1]
    running[1].reset()


@pytest.fixture
def remote(running):
    """Makes the server's entry in engines.toml."""

    def make(**changes):
        return parse_remote_engine(
            "elsewhere", {"kind": "comfyui", "base_url": running[0].url, "timeout_s": 20} | changes
        )

    return make


@pytest.fixture
def load(comfy, remote, load_entries):
    """Loads a model of these entries, both of the server."""

    def make(*entries, folders=(SHIPPED,), key="", **changes):
        server = remote(api_key_env="REMOTE_KEY" if key else "", **changes)
        return load_entries(server, key, entries or (TEXT, EDIT), folders)

    return make


@pytest.fixture
def client(comfy, remote, run_client):
    """Runs a coroutine that is made with a client and a request for a picture from words."""

    def run(work, outage_s=0.6, choice=TEXT, shot=None, **changes):
        return run_client(
            lambda: ComfyUI(remote(**changes), SecretStr(""), (SHIPPED,), outage_s=outage_s), work, choice, shot
        )

    return run
