"""API in the test's own process, over a real SQLite and a real Redis; and its core alone, for tests of services."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx2
from servers.asgi import start_asgi
from servers.command import checked
from servers.stack import CHARACTERS, INSTANT_MODELS
from servers.tables import make_tables

from imgen import composition
from imgen import settings as layers
from imgen.app import close_core, create_app, open_core
from imgen.services.core import Core
from imgen.settings import Settings
from workers import tasks
from workers.resources import open_resources

T = TypeVar("T")


@dataclass(frozen=True)
class LocalApi:
    """A served application and the key of an unlimited tenant."""

    url: str
    settings: Settings
    key: str

    def post(self, body: dict, key: str | None = None) -> httpx2.Response:
        """Sends one action."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx2.post(f"{self.url}/api/v2", json=body, headers=headers, timeout=30, verify=False)

    def imgen(self, *arguments: str) -> str:
        """Output of an `imgen` command over the same data folder."""
        return checked(*arguments, "--data", str(self.settings.data_dir))


@contextmanager
def start_local_api(
    data: Path, redis_url: str, settings: str = "", *, models: str = INSTANT_MODELS
) -> Iterator[LocalApi]:
    """Serves the API over a new data folder for the length of the block."""
    loaded = prepare(data, redis_url, settings, models=models)
    key = checked("keys", "create", "first", "--tenant", "first", "--plan", "unlimited", "--data", str(data))

    def make_app(url: str):
        host, _, port = url.removeprefix("http://").partition(":")
        return create_app(loaded.with_address(host, int(port)))

    with start_asgi(make_app, lifespan="on") as url:
        yield LocalApi(url, loaded, key)
    gc.unfreeze()  # a serving process never ends what it has frozen; this one goes on


@contextmanager
def start_local_worker(settings: Settings) -> Iterator[Callable[[str], None]]:
    """Opens what a worker process works with; gives a function that does both phases of a job by its id."""
    resources = open_resources(settings)

    def work(job_id: str) -> None:
        for phase in (tasks.RENDER, tasks.FINISH):
            tasks.run_phase(resources, phase, job_id)

    try:
        yield work
    finally:
        resources.close()


def run_with_core(loaded: Settings, work: Callable[[Core], Awaitable[T]]) -> T:
    """Runs a coroutine function with a core over the prepared data folder, in a loop and a thread of its own.

    In the test's thread Playwright may keep an event loop.
    """

    async def main() -> T:
        core = open_core(loaded)
        try:
            return await work(core)
        finally:
            await close_core(core)

    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, main()).result()


def prepare(data: Path, redis_url: str, settings: str = "", *, models: str = INSTANT_MODELS) -> Settings:
    """Writes a data folder with the instant engine and an empty database; gives its settings."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "imgen.toml").write_text(f'[redis]\nurl = "{redis_url}"\n{settings}')
    (data / "models.toml").write_text(models)
    (data / "characters.toml").write_text(CHARACTERS)
    loaded = layers.load(data, environ={})
    database = composition.open_database(loaded)
    make_tables(database)
    database.close()
    return loaded
