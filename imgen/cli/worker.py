"""Command `imgen worker`: one Celery worker, for production."""

import contextlib
import os
from pathlib import Path
from typing import Annotated

import structlog
import typer

from imgen import composition, settings
from imgen.cli.options import Data
from imgen.configuration import load_catalog, shadowed_weights
from imgen.domain.errors import Invalid
from imgen.domain.job import FINISH_QUEUE, render_queue
from imgen.settings import Settings

log = structlog.get_logger(__name__)


def worker(
    queues: Annotated[str, typer.Option(help="Queues to consume, such as render.eros or finish; commas between them.")],
    data: Data = None,
    processes: Annotated[int, typer.Option(help="Child processes; for render queues one for each GPU.")] = 1,
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

    def on_ready() -> None:
        log.info("worker ready", queues=names, processes=processes, data=str(loaded.data_dir))
        _touch(ready_file)

    app.run(loaded, queues=names, processes=processes, name="+".join(names), on_ready=on_ready)


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


def _touch(ready_file: Path | None) -> None:
    if ready_file is not None:
        with contextlib.suppress(FileNotFoundError):  # nobody waits any more
            ready_file.touch()
