"""Command `imgen dispatcher`: sends webhooks, for production. Any number may run; none sends what another one sends."""

import asyncio
from pathlib import Path
from typing import Annotated

import structlog
import typer

from imgen import composition, settings
from imgen.cli.options import Data
from imgen.cli.ready_file import touch
from imgen.records import schema

log = structlog.get_logger(__name__)


def dispatcher(
    data: Data = None,
    ready_file: Annotated[Path | None, typer.Option(hidden=True, help="Touched once it runs.")] = None,
) -> None:
    """Send the ends of jobs to the addresses of tenants until a signal says stop. Upgrades the database first."""
    from imgen.dispatcher import run

    loaded = settings.load(data)
    composition.configure_logs(loaded.logs)
    database = composition.open_database(loaded)
    schema.upgrade(database)
    database.close()

    def on_ready() -> None:
        log.info("dispatcher ready", data=str(loaded.data_dir))
        touch(ready_file)

    asyncio.run(run(loaded, on_ready=on_ready))
