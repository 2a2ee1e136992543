"""`imgen api`: the API alone, for production."""

import os
from functools import partial
from typing import Annotated, Any

import structlog
import typer
import uvicorn
from starlette.applications import Starlette

from imgen import composition, settings
from imgen.asgi.protocol import TimeoutProtocol
from imgen.cli.options import Data
from imgen.cli.serving import serve
from imgen.domain.errors import Unavailable
from imgen.live.command import ping
from imgen.live.executors import BlockingExecutor
from imgen.records import api_keys, schema, users
from imgen.records.database import Database
from imgen.settings import Settings
from imgen.stack.port import check_port

log = structlog.get_logger(__name__)


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
    composition.configure_logs(loaded.logs)
    check_port(loaded.http.host, loaded.http.port)
    composition.prepare_credentials(loaded)
    database = composition.open_database(loaded)
    schema.upgrade(database)
    _tell_missing(loaded, database)
    address = database.check()
    database.close()
    protocol: Any = partial(  # uvicorn only calls it
        TimeoutProtocol, read_timeout_s=loaded.http.read_timeout_s, refusal=refusal
    )
    config = uvicorn.Config(
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
        forwarded_allow_ips=trusted_proxies(loaded),
        log_level="warning",
        timeout_graceful_shutdown=loaded.http.shutdown_timeout_s,
    )
    serve(config, "API ready", url=loaded.public_url, database=address, data=str(loaded.data_dir))


def _tell_missing(loaded: Settings, database: Database) -> None:
    """Logs a warning for each thing without which a fresh installation answers nobody."""
    with database.read() as connection:
        has_key, has_user = api_keys.has_keys(connection), users.count_users(connection) > 0
    if not has_key:
        log.warning("no API key yet; make one with: imgen keys create NAME")
    if not has_user:
        log.warning("no user of the panel yet; make one with: imgen users add NAME --role admin")
    live = BlockingExecutor(loaded.redis_url)
    try:
        live.run(ping())
    except Unavailable:
        log.warning("Redis does not answer; requests are answered with 503 until it does")
    finally:
        live.close()


def application() -> Starlette:
    """Makes the ASGI application of this process from the settings that `api` left in the environment."""
    from imgen.app import create_app

    loaded = settings.load()
    composition.configure_logs(loaded.logs)
    return create_app(loaded)


def trusted_proxies(loaded: Settings) -> list[str] | None:
    """Returns the addresses and networks whose `X-Forwarded-For` counts, for uvicorn; None: its own default."""
    trusted = []
    for network in loaded.http.trusted_proxies:
        trusted.append(str(network))
        if network.version == 4:  # noqa: PLR2004 - a socket of both versions has its peers in this form
            trusted.append(f"::ffff:{network.network_address}/{96 + network.prefixlen}")
    return trusted or None


def _pass_on(data: Data, host: str, port: int) -> None:
    """Puts options into the environment, for `settings.load` here and in the processes that uvicorn starts."""
    given = {"IMGEN_DATA": str(data or ""), "IMGEN_HTTP__HOST": host, "IMGEN_HTTP__PORT": str(port or "")}
    os.environ.update({name: value for name, value in given.items() if value})
