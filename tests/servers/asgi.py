"""Serves an ASGI application with uvicorn on a free port of 127.0.0.1, in a thread of the test process."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp

START_TIMEOUT_S = 90


@contextmanager
def start_asgi(
    make_app: Callable[[str], ASGIApp], *, lifespan: Literal["on", "off"] = "off", **options: Any
) -> Iterator[str]:
    """Runs the application that `make_app` builds from its own base URL, with its own tasks if asked; gives that URL.

    `options` are uvicorn's.

    Raises:
        RuntimeError: it did not start in time.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            make_app(url), ws="none", lifespan=lifespan, log_config=None, access_log=False, **options
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not server.started:
                if time.monotonic() > deadline or not thread.is_alive():
                    raise RuntimeError("uvicorn did not start")
                time.sleep(0.01)
            yield url
        finally:
            server.should_exit = True
            thread.join()
