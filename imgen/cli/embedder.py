"""Command `imgen embedder`: the sentence model behind the semantic cache, as a service of its own."""

import os
from typing import Annotated, Any

import typer
import uvicorn

from imgen import composition, settings
from imgen.cli.options import Data
from imgen.cli.serving import serve
from imgen.settings import EMBEDDED_MODEL
from imgen.settings.addresses import base_url
from imgen.stack.port import check_port


def embedder(
    data: Data = None,
    host: Annotated[str, typer.Option(help="Address to listen on; default: a socket in the data folder.")] = "",
    port: Annotated[int, typer.Option(help="Port, with --host.")] = 8001,
) -> None:
    """Serve sentence embeddings in OpenAI's protocol. Needs no torch; [cache] api_key, where set, is asked for."""
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # two that wait for each other stall where a worker has the other core
    from imgen.embedder.app import create_app
    from imgen.embedder.minilm import MiniLM, folder

    loaded = settings.load(data)
    composition.configure_logs(loaded.logs)
    if host:
        check_port(host, port)
    else:
        loaded.embedder_socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        loaded.embedder_socket.unlink(missing_ok=True)
    app = create_app(MiniLM(folder()), api_key=loaded.cache.api_key.get_secret_value())
    where: dict[str, Any] = {"host": host, "port": port} if host else {"uds": str(loaded.embedder_socket)}
    config = uvicorn.Config(
        app, loop="uvloop", ws="none", access_log=False, server_header=False, log_level="warning", **where
    )
    address = base_url(host, port) if host else str(loaded.embedder_socket)
    serve(config, "embedder ready", model=EMBEDDED_MODEL, listens=address)
