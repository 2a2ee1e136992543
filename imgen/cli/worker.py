"""Command `imgen worker`: one Celery worker, for production."""

import os
from pathlib import Path
from typing import Annotated

import structlog
import typer

from imgen import composition, settings
from imgen.cli.options import Data
from imgen.cli.ready_file import touch
from imgen.configuration import load_catalog, shadowed_weights
from imgen.domain.errors import Invalid
from imgen.domain.job import FINISH_QUEUE, render_queue
from imgen.settings import Settings

log = structlog.get_logger(__name__)


def worker(
    queues: Annotated[str, typer.Option(help="Queues to consume, such as render.eros or finish; commas between them.")],
    data: Data = None,
    processes: Annotated[int, typer.Option(help="Child processes; for render queues one for each GPU.")] = 1,
    preload: Annotated[
        str | None,
        typer.Option(help="Models to load before it is ready, commas between them; default: [models] preload."),
    ] = None,
    ready_file: Annotated[Path | None, typer.Option(hidden=True, help="Touched once the worker consumes.")] = None,
) -> None:
    """Work on jobs until a signal says stop; what is under way may end first."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded; torch has threads of its own
    from workers import app  # the API's package never imports workers, but this command is one

    loaded = settings.load(data)
    composition.configure_logs(loaded.logs)
    composition.prepare_credentials(loaded)
    for shadow in shadowed_weights(loaded):
        log.warning("weights in the data folder have a shipped name", reason=shadow)
    names = _known_queues(loaded, queues)
    models = _models_to_preload(loaded, names, preload)

    def on_ready() -> None:
        log.info("worker ready", queues=names, processes=processes, data=str(loaded.data_dir))
        touch(ready_file)

    app.run(loaded, queues=names, processes=processes, name="+".join(names), preload=models, on_ready=on_ready)


def _known_queues(loaded: Settings, queues: str) -> list[str]:
    """Returns the names of queues that jobs are sent to.

    Raises:
        Invalid: none is named, or one that no model has; the message has all names.
    """
    names = [name.strip() for name in queues.split(",") if name.strip()]
    known = [*(render_queue(key) for key in load_catalog(loaded).models), FINISH_QUEUE]
    if unknown := [name for name in names if name not in known]:
        raise Invalid(f"No jobs are sent to {', '.join(unknown)}; there are the queues {', '.join(known)}")
    if not names:
        raise Invalid(f"Name a queue with --queues; there are {', '.join(known)}")
    return list(dict.fromkeys(names))


def _models_to_preload(loaded: Settings, queues: list[str], preload: str | None) -> list[str]:
    """Returns the keys of the models to load ahead: those of the command, else those of the settings that the queues are for.

    Raises:
        Invalid: the command names a model that no queue of this worker is for.
    """
    asked = (
        list(loaded.models.preload)
        if preload is None
        else [name.strip() for name in preload.split(",") if name.strip()]
    )
    models = load_catalog(loaded).models
    strangers = [key for key in asked if key not in models or render_queue(key) not in queues]
    if strangers and preload is not None:
        raise Invalid(
            f"--preload: this worker has no queue for {', '.join(strangers)}; its queues are {', '.join(queues)}"
        )
    if unknown := [key for key in strangers if key not in models]:
        log.warning("[models] preload names no model", unknown=unknown, models=list(models))
    return [key for key in dict.fromkeys(asked) if key not in strangers]
