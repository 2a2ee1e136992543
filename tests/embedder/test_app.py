"""`imgen embedder` over its socket and over TCP, asked by the OpenAI client and by clients that know no manners."""

import base64
import os
import stat

import httpx2
import numpy as np
import openai
import pytest
from servers.embedder import start_embedder
from servers.stack import free_port

from imgen import settings
from imgen.embedder.minilm import MiniLM, folder


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """An HTTP client of the service on its socket."""
    data = tmp_path_factory.mktemp("embedder") / "var"
    with start_embedder(data):
        socket = settings.load(data, environ={}).embedder_socket
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        with httpx2.Client(
            base_url="http://embedder", transport=httpx2.HTTPTransport(uds=str(socket)), timeout=20
        ) as client:
            yield client


@pytest.fixture(scope="module")
def sdk(service):
    return openai.OpenAI(base_url="http://embedder/v1", api_key="none", http_client=service, max_retries=0)


def test_the_openai_client_reads_one_and_many(sdk):
    """Both encodings of the protocol hold the model's own numbers, in the order of the texts."""
    texts = ["red coat", "two cats on a sofa"]
    expected = [MiniLM(folder()).vector(text) for text in texts]
    for encoding in ("float", "base64"):
        answer = sdk.embeddings.create(model="all-MiniLM-L6-v2", input=texts, encoding_format=encoding)
        assert [one.index for one in answer.data] == [0, 1]
        found = [
            np.frombuffer(base64.b64decode(one.embedding), "<f4")
            if isinstance(one.embedding, str)
            else np.array(one.embedding, np.float32)
            for one in answer.data
        ]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert answer.usage.total_tokens == 4 + 7
    assert len(sdk.embeddings.create(model="any", input="red coat").data) == 1
    assert [model.id for model in sdk.models.list()] == ["all-MiniLM-L6-v2"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"input": 5}', 400),
        (b'{"input": [1, 2]}', 400),
        (b'{"input": []}', 400),
        (b'{"input": "\xff"}', 400),
        (b"[" * 50_000, 400),
        (b'{"input": "' + b"word " * 300 + b'"}', 400),
        (b'{"input": [' + b'"a",' * 256 + b'"a"]}', 400),
        (b'{"input": "' + b"x" * 1_100_000 + b'"}', 413),
    ],
)
def test_a_bad_request_is_refused_in_the_protocols_form(service, body, status):
    """An error object with a message; the service goes on."""
    refused = service.post("/v1/embeddings", content=body)
    assert refused.status_code == status
    assert refused.json()["error"]["message"]
    assert service.post("/v1/embeddings", json={"input": "red"}).status_code == 200


def test_other_paths_and_methods(service):
    """Nothing else is served."""
    assert service.get("/v1/embeddings").status_code == 405
    assert service.post("/v1/chat/completions", json={}).status_code == 404


def test_over_tcp_it_asks_for_the_configured_key(tmp_path):
    """Another host needs the key; a wrong one, or none, is refused before anything is read."""
    port, key = free_port(), "sk-canary"
    environ = os.environ | {"IMGEN_CACHE__API_KEY": key}
    with start_embedder(tmp_path / "var", "--host", "127.0.0.1", "--port", str(port), environ=environ):
        base_url = f"http://127.0.0.1:{port}/v1"
        for wrong in ("", "sk-other"):
            headers = {"Authorization": f"Bearer {wrong}"} if wrong else {}
            refused = httpx2.post(f"{base_url}/embeddings", json={"input": "red"}, headers=headers)
            assert refused.status_code == 401
            assert key not in refused.text
        with openai.OpenAI(base_url=base_url, api_key=key, max_retries=0) as client:
            assert len(client.embeddings.create(model="m", input="red").data[0].embedding) == 384
