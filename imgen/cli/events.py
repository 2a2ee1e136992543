"""Command `imgen events`: what happens to jobs, as it happens."""

import json
from typing import Annotated

import httpx2
import typer

from imgen import settings
from imgen.cli.client import ServerError
from imgen.cli.event_reader import EventReader
from imgen.cli.options import Data
from imgen.domain.ids import stored_id
from imgen.stack.lock import running_url


def events(
    *,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="A job; may be repeated. Default: all of the key's tenant.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on after a broken connection, from the place where it broke.")
    ] = False,
    after: Annotated[str, typer.Option(help="Number of an event of the last day, to begin behind it.")] = "",
    url: Annotated[
        str,
        typer.Option(
            envvar="IMGEN_URL", help="URL of the server; default: the one that runs over --data.", show_default=False
        ),
    ] = "",
    key: Annotated[str, typer.Option(envvar="IMGEN_KEY", help="The API key; better in the environment.")] = "",
    data: Data = None,
) -> None:
    """Print each event as a line of JSON, until the named jobs have ended. Needs a running server and a key (IMGEN_KEY)."""
    if not key:
        raise ServerError("No key: set IMGEN_KEY or give --key (imgen keys create NAME makes one)")
    loaded = settings.load(data)
    address = url or running_url(loaded.data_dir) or loaded.public_url
    reader = EventReader(address, key, [stored_id(job_id) for job_id in ids or ()], after=after)
    try:
        for event in reader.for_ever() if follow else reader.once():
            typer.echo(json.dumps(event, ensure_ascii=False))
    except httpx2.HTTPError as exc:
        raise ServerError(f"{address}: {exc or type(exc).__name__}") from exc
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        reader.close()
