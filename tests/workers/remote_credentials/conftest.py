"""An engine elsewhere, the resources of its worker, and a provider that signs."""

import pytest
from drawn_elsewhere import MODEL, configure
from servers.image_engine import KEY, start_image_engine

from imgen.provenance.development_chain import make_development_chain
from imgen.provenance.signer import open_signer

MODELS = MODEL.replace(" }]", ', edits = "mask" }]', 1)
"""A model that also redraws what a mask tells."""


@pytest.fixture
def server():
    with start_image_engine() as started:
        yield started


@pytest.fixture
def resources(make_resources, server, tmp_path, monkeypatch):
    """Resources of a worker process whose model is drawn by the server."""
    monkeypatch.setenv("ELSEWHERE_KEY", KEY)
    configure(tmp_path / "var", server.url, MODELS)
    return make_resources()


@pytest.fixture
def provider(tmp_path):
    """Signer of a provider, whose chain leads to no root of ours."""
    folder = tmp_path / "provider"
    make_development_chain(folder)
    return open_signer((folder / "chain.pem").read_bytes(), (folder / "key.pem").read_bytes())
