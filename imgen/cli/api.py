"""`imgen api`: the API alone, for production."""

import os
from functools import partial
from typing import Annotated, Any

import typer
import uvicorn
from starlette.applications import Starlette

from imgen import composition, settings
from imgen.asgi.protocol import TimeoutProtocol
from imgen.cli.options import Data
from imgen.records import schema


def api(
    data: Data = None,
    host: Annotated[str, typer.Option(help="Address to listen on; default: [http] host.", show_default=False)] = "",
    port: Annotated[int, typer.Option(help="Port; default: [http] port.", show_default=False)] = 0,
) -> None:
    """Serve the API. Upgrades the database first."""
    from imgen.app import refusal

    _pass_on(data, host, port)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the cache's search waits for memory, not for cores
    loaded = settings.load()
    composition.prepare_credentials(loaded)
    database = composition.open_database(loaded)
    schema.upgrade(database)
    database.close()
    protocol: Any = partial(  # uvicorn only calls it
        TimeoutProtocol, read_timeout_s=loaded.http.read_timeout_s, refusal=refusal
    )
    uvicorn.run(
        "imgen.cli.api:application",
        factory=True,
        host=loaded.http.host,
        port=loaded.http.port,
        workers=loaded.http.processes,
        loop="uvloop",
        http=protocol,
        ws="none",
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=loaded.http.shutdown_timeout_s,
    )


def application() -> Starlette:
    """Makes the ASGI application of this process from the settings that `api` left in the environment."""
    from imgen.app import create_app

    loaded = settings.load()
    composition.configure_logs(loaded.logs)
    return create_app(loaded)


def _pass_on(data: Data, host: str, port: int) -> None:
    """Puts options into the environment, for `settings.load` here and in the processes that uvicorn starts."""
    given = {"IMGEN_DATA": str(data or ""), "IMGEN_HTTP__HOST": host, "IMGEN_HTTP__PORT": str(port or "")}
    os.environ.update({name: value for name, value in given.items() if value})
