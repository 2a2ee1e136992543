"""Kinds without ids: each call is one connection, which a stopped job closes."""

import time

import pytest
from servers import gemini, image_engine, workers_ai
from servers.comfyui_models import diffusion
from servers.faulty_http import hang

from imgen.domain.errors import Cancelled
from workers.engines import Shot

KINDS = {
    "openai": (image_engine.start_image_engine, "/v1", image_engine.KEY, "gpt-image-2"),
    "gemini": (gemini.start_gemini, "", gemini.KEY, gemini.MODELS[0]),
    "workersai": (workers_ai.start_workers_ai, workers_ai.BASE, workers_ai.KEY, workers_ai.LIGHTNING),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancellation_closes_the_connection(load_from, kind):
    """At once, while the server is silent."""
    start, path, key, model = KINDS[kind]
    with start() as server:
        server.script.append(hang)
        begun = time.monotonic()

        def cancel(*_):
            if server.requests:
                raise Cancelled

        engine = load_from({"kind": kind, "base_url": server.url + path, "timeout_s": 60}, key, {"model": model})
        with pytest.raises(Cancelled):
            engine.render([Shot(diffusion=diffusion())], cancel)
        assert time.monotonic() - begun < 30
