"""Models of a server on loopback, for the kinds without a conftest of their own."""

import pytest
from pydantic import SecretStr
from servers.comfyui_models import MODEL

from imgen.domain.catalog import parse_model
from imgen.domain.remote_engine import parse_remote_engine
from workers import engines
from workers.engines import EngineContext


@pytest.fixture
def no_network():
    """Replaces the folder's ban: the servers are on loopback."""


@pytest.fixture
def load_from():
    """Loads a model that one entry of engines.toml draws."""
    loaded = []

    def make(remote, key, entry):
        context = EngineContext(
            remote_engines={"elsewhere": parse_remote_engine("elsewhere", {"api_key_env": "REMOTE_KEY"} | remote)},
            key_in={"REMOTE_KEY": SecretStr(key)}.__getitem__,
        )
        model = parse_model("remote", MODEL | {"engines": [{"engine": "elsewhere"} | entry]})
        engines.check(model, context)
        loaded.append(engines.load(model, context))
        return loaded[-1]

    yield make
    for engine in loaded:
        engine.unload()
