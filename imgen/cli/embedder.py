"""Command `imgen embedder`: the sentence model behind the semantic cache, as a service of its own."""

import os
from typing import Annotated

import typer
import uvicorn

from imgen import settings
from imgen.cli.options import Data


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
    if not host:
        loaded.embedder_socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        loaded.embedder_socket.unlink(missing_ok=True)
    app = create_app(MiniLM(folder()), api_key=loaded.cache.api_key.get_secret_value())
    where: dict[str, str | int] = {"host": host, "port": port} if host else {"uds": str(loaded.embedder_socket)}
    uvicorn.run(app, loop="uvloop", ws="none", access_log=False, server_header=False, log_level="warning", **where)  # type: ignore[arg-type]  # one of two ways
