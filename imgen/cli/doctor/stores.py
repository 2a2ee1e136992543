"""Checks of the database, Redis, the workers behind it, and the object store. Nothing is made that is not there."""

from imgen import composition
from imgen.archive import disk_folder, sqlite_file
from imgen.cli.doctor.finding import Fresh
from imgen.configuration import load_catalog
from imgen.domain.errors import ConfigurationError, Unavailable
from imgen.domain.job import FINISH_QUEUE, render_queue
from imgen.live.command import ping
from imgen.live.executors import BlockingExecutor
from imgen.records import schema
from imgen.records.database import Database
from imgen.settings import Settings


def database(loaded: Settings) -> str:
    """Opens the database and compares its tables with this version's."""
    file = sqlite_file(loaded)
    if file is not None and not file.exists():
        return Fresh(f"{file} is not there yet; `imgen up`, `imgen api` or `imgen migrate` makes it")
    opened = Database(loaded.database_url)
    try:
        state, place = schema.state(opened), opened.check()
    finally:
        opened.close()
    if state is schema.State.FRESH:
        return Fresh(f"{place} is empty; `imgen up`, `imgen api` or `imgen migrate` makes the tables")
    if state is not schema.State.CURRENT:
        raise ConfigurationError(f"{place} is {state.value} than this version")
    return place


def redis(loaded: Settings) -> str:
    """Asks Redis."""
    live = BlockingExecutor(loaded.redis_url)
    try:
        live.run(ping())
    except Unavailable as exc:
        raise ConfigurationError("Redis does not answer") from exc
    finally:
        live.close()
    return "answers"


def workers(loaded: Settings) -> str:
    """Asks the workers for the queues that they consume."""
    redis(loaded)  # a broker that is away would be waited for
    import redis as redis_library
    from celery import Celery
    from kombu.exceptions import OperationalError

    from imgen.live.queue import celery_settings

    app = Celery("imgen", set_as_current=False)
    app.conf.update(celery_settings(loaded.redis_url))
    try:
        answers = app.control.inspect(timeout=1).active_queues() or {}
    except (OperationalError, redis_library.RedisError, OSError) as exc:
        raise ConfigurationError(f"the broker does not answer: {type(exc).__name__}") from exc
    finally:
        app.close()
    served = {queue["name"] for queues in answers.values() for queue in queues}
    wanted = {FINISH_QUEUE, *(render_queue(key) for key in load_catalog(loaded).models)}
    if wanted - served:
        raise ConfigurationError(f"no worker consumes {', '.join(sorted(wanted - served))}")
    return ", ".join(sorted(answers))


def objects(loaded: Settings) -> str:
    """Tries the object store with an object of its own, which it removes again."""
    folder = disk_folder(loaded)
    if folder is not None and not folder.exists():
        return Fresh(f"{folder} is not there yet; the first start makes it")
    file = sqlite_file(loaded)
    if file is not None and not file.exists():
        raise ConfigurationError(f"{folder or 'the bucket'} is there, but its database is not")
    opened = Database(loaded.database_url)
    try:
        return composition.open_objects(loaded, opened).check()
    finally:
        opened.close()
