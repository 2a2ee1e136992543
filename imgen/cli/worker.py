"""Command `imgen worker`: one Celery worker, for production."""

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer

from imgen import composition, settings
from imgen.cli.options import Data


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
    names = [name.strip() for name in queues.split(",") if name.strip()]
    app.run(loaded, queues=names, processes=processes, name="+".join(names), on_ready=lambda: _touch(ready_file))


def _touch(ready_file: Path | None) -> None:
    if ready_file is not None:
        with contextlib.suppress(FileNotFoundError):  # nobody waits any more
            ready_file.touch()
