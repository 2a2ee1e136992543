"""An engine elsewhere, the resources of its worker, and a provider that signs."""

import pytest
from servers.image_engine import KEY, start_image_engine

from imgen.provenance.development_chain import make_development_chain
from imgen.provenance.signer import open_signer

MODEL = """
[eros]
label = "Eros"
backend = "remote"
engines = [{ engine = "elsewhere", model = "gpt-image-2", edits = "mask" }]
steps = { default = 4 }
guidance = { default = 3.5 }
default_style = "professional"
styles = { professional = { label = "Professional" } }
"""


@pytest.fixture
def server():
    with start_image_engine() as started:
        yield started


@pytest.fixture
def resources(make_resources, server, tmp_path, monkeypatch):
    """Resources of a worker process whose model is drawn by the server."""
    monkeypatch.setenv("ELSEWHERE_KEY", KEY)
    (tmp_path / "var" / "models.toml").write_text(MODEL)
    entry = f'[elsewhere]\nkind = "openai"\nbase_url = "{server.url}/v1"\napi_key_env = "ELSEWHERE_KEY"\n'
    (tmp_path / "var" / "engines.toml").write_text(entry)
    return make_resources()


@pytest.fixture
def provider(tmp_path):
    """Signer of a provider, whose chain leads to no root of ours."""
    folder = tmp_path / "provider"
    make_development_chain(folder)
    return open_signer((folder / "chain.pem").read_bytes(), (folder / "key.pem").read_bytes())
