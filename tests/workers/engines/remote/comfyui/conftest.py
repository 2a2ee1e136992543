"""A ComfyUI server for the tests of this folder, and models that it draws."""

import asyncio
import uuid

import pytest
from pydantic import SecretStr
from servers.comfyui import start_comfyui
from servers.comfyui_models import EDIT, MODEL, SHIPPED, TEXT, diffusion

from imgen.domain.catalog import parse_model
from imgen.domain.remote_engine import parse_remote_engine
from workers import engines
from workers.engines import EngineContext, Shot
from workers.engines.remote.comfyui import ComfyUI
from workers.engines.remote.protocol import PictureRequest


@pytest.fixture
def no_network():
    """Replaces the folder's ban: the server is on loopback."""


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
def load(comfy, remote):
    """Loads a model of these entries, both of the server."""
    loaded = []

    def make(*entries, folders=(SHIPPED,), key="", **changes):
        context = EngineContext(
            remote_engines={"elsewhere": remote(api_key_env="REMOTE_KEY" if key else "", **changes)},
            workflow_folders=folders,
            key_in=lambda _: SecretStr(key),
        )
        model = parse_model("remote", MODEL | {"engines": list(entries or (TEXT, EDIT))})
        engines.check(model, context)
        loaded.append(engines.load(model, context))
        return loaded[-1]

    yield make
    for engine in loaded:
        engine.unload()


@pytest.fixture
def client(comfy, remote):
    """Runs a coroutine that is made with a client and a request for a picture from words."""

    def run(work, outage_s=0.6, choice=TEXT, shot=None, **changes):
        async def main():
            made = ComfyUI(remote(**changes), SecretStr(""), (SHIPPED,), outage_s=outage_s)
            chosen = parse_model("remote", MODEL | {"engines": [choice]}).engine.engines[0]
            request = PictureRequest(call_id=str(uuid.uuid4()), choice=chosen, shot=shot or Shot(diffusion=diffusion()))
            try:
                return await work(made, request)
            finally:
                await made.close()

        return asyncio.run(main())

    return run
