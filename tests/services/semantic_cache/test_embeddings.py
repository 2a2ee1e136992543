"""The embeddings client against a real server that may do anything: a vector of length 1, or none, and never an error."""

import asyncio
import json
import struct
import time

import pytest
from servers.embedder import FAULTS, embeddings, start_embedder
from servers.faulty_http import answer, start_faulty_http

from imgen.domain.errors import ConfigurationError
from imgen.services.semantic_cache.embeddings import Embedder
from imgen.settings.sections import Cache

KEY = "sk-canary"


@pytest.fixture(scope="module")
def running():
    with start_faulty_http(embeddings([3.0, 4.0])) as server:
        yield server


@pytest.fixture
def endpoint(running):
    """The endpoint, in order and with nothing asked of it yet."""
    running.script.clear()
    running.requests.clear()
    running.standing = embeddings([3.0, 4.0])
    return running


@pytest.fixture
def ask(endpoint, tmp_path):
    """Vectors of some texts by one client, and the seconds each took."""

    def run(*texts, **changes):
        given = {"base_url": f"{endpoint.url}/v1", "model": "m", "api_key": KEY, "timeout_s": 0.5, "pause_s": 60}
        settings = Cache(**(given | changes))

        async def main():
            embedder = Embedder(settings, tmp_path / "no.sock")
            found = []
            try:
                for text in texts:
                    started = time.monotonic()
                    found.append((await embedder.vector(text), time.monotonic() - started))
            finally:
                await embedder.close()
            return found

        return asyncio.run(main())

    return run


def test_a_vector_comes_back_at_length_1(endpoint, ask):
    """The text is sent as it is, with model and key; what comes back is little-endian float32."""
    ((vector, _),) = ask("red coat, 東京")
    assert struct.unpack("<2f", vector) == pytest.approx((0.6, 0.8))
    (request,) = endpoint.requests
    assert request.path == "/v1/embeddings"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert json.loads(request.body) == {"model": "m", "input": "red coat, 東京", "encoding_format": "float"}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_no_odd_answer_is_a_vector(endpoint, ask, fault, capfd):
    """None within the time allowed, asked once, and no key in the log."""
    ask("warm up")
    endpoint.requests.clear()
    endpoint.standing = FAULTS[fault]
    ((vector, seconds),) = ask("red coat")
    assert vector is None
    assert seconds < 10
    assert len(endpoint.requests) == 1
    assert "canary" not in "".join(capfd.readouterr())


def test_a_dead_endpoint_costs_nothing_after_three_failures(endpoint, ask):
    """The fourth text is not sent."""
    endpoint.standing = FAULTS["500"]
    found = ask("a", "b", "c", "d", "e")
    assert [vector for vector, _ in found] == [None] * 5
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize("status", [400, 413, 422])
def test_texts_it_refuses_do_not_make_it_dead(endpoint, ask, status):
    """These are about the text."""
    endpoint.script[:] = [answer(status, b'{"error": {"message": "too long"}}')] * 5
    found = ask(*"abcdef")
    assert [vector is not None for vector, _ in found] == [False] * 5 + [True]


def test_nobody_listens(ask):
    """No socket, no port: none, at once."""
    for changes in ({"base_url": "http://127.0.0.1:1/v1"}, {"base_url": "", "model": ""}):
        ((vector, seconds),) = ask("red coat", **changes)
        assert vector is None
        assert seconds < 10


def test_a_base_url_needs_a_model(tmp_path):
    """A setting that cannot work is told at the start."""
    with pytest.raises(ConfigurationError, match="model"):
        Embedder(Cache(base_url="http://127.0.0.1:1/v1"), tmp_path / "no.sock")


def test_the_embedded_model_is_asked_on_its_socket(tmp_path):
    """Without a base URL, by the name it has; a text too long for it has no vector, and the next one has."""
    with start_embedder(tmp_path / "var"):

        async def main():
            embedder = Embedder(Cache(), tmp_path / "var" / "embedder" / "embedder.sock")
            try:
                return embedder.name, await embedder.vector("word " * 400), await embedder.vector("red coat")
            finally:
                await embedder.close()

        name, too_long, vector = asyncio.run(main())
    assert name == "all-MiniLM-L6-v2"
    assert too_long is None
    assert sum(number**2 for number in struct.unpack("<384f", vector)) == pytest.approx(1, abs=1e-4)
