"""RunPod's endpoints for the tests of this folder, and models that they draw."""

import asyncio
import uuid

import pytest
from pydantic import SecretStr
from servers.comfyui_models import MODEL, SHIPPED, diffusion
from servers.runpod import KEY, PLAIN, start_runpod

from imgen.domain.catalog import parse_model
from imgen.domain.remote_engine import parse_remote_engine
from workers import engines
from workers.engines import EngineContext, Shot
from workers.engines.remote.protocol import PictureRequest
from workers.engines.remote.runpod import RunPod


@pytest.fixture
def no_network():
    """Replaces the folder's ban: the server is on loopback."""


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
def load(pod, remote):
    """Loads a model of these entries."""
    loaded = []

    def make(*entries, folders=(SHIPPED,), key=KEY, **changes):
        context = EngineContext(
            remote_engines={"elsewhere": remote(**changes)}, workflow_folders=folders, key_in=lambda _: SecretStr(key)
        )
        model = parse_model("remote", MODEL | {"engines": list(entries or (PLAIN,))})
        engines.check(model, context)
        loaded.append(engines.load(model, context))
        return loaded[-1]

    yield make
    for engine in loaded:
        engine.unload()


@pytest.fixture
def client(pod, remote):
    """Runs a coroutine that is made with a client and a request for a picture from words."""

    def run(work, outage_s=0.6, choice=PLAIN, shot=None, key=KEY, **changes):
        async def main():
            made = RunPod(remote(**changes), SecretStr(key), (SHIPPED,), outage_s=outage_s)
            chosen = parse_model("remote", MODEL | {"engines": [choice]}).engine.engines[0]
            request = PictureRequest(call_id=str(uuid.uuid4()), choice=chosen, shot=shot or Shot(diffusion=diffusion()))
            try:
                return await work(made, request)
            finally:
                await made.close()

        return asyncio.run(main())

    return run
