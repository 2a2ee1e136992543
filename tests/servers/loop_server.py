"""Serves an ASGI application with our HTTP protocol in the running event loop of a test."""

import asyncio
import contextlib
import socket

import uvicorn
from servers.event_loop import until

from imgen.asgi.protocol import TimeoutProtocol

READ_TIMEOUT_S = 30


@contextlib.asynccontextmanager
async def serve_in_loop(app):
    """Serves it on a free port of 127.0.0.1; gives server and address."""

    def protocol(*args, **kwargs):
        return TimeoutProtocol(*args, read_timeout_s=READ_TIMEOUT_S, refusal=lambda *_: (400, b"{}", {}), **kwargs)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started)
            yield server, listener.getsockname()
        finally:
            server.should_exit = True
            await asyncio.wait_for(task, 30)
