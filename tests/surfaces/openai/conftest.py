"""OpenAI's dialect over a real Redis and both databases, served in the test's process, with a worker that draws what comes."""

import http.client
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import httpx2
import pytest
import redis
from servers.asgi import start_asgi
from servers.local import LocalApi, start_local_api, start_local_worker
from sqlalchemy import select

from imgen import composition
from imgen.app import create_app
from imgen.domain.job import OPEN
from imgen.records.tables.answers import awaited_answers
from imgen.records.tables.jobs import jobs

PROMPT = "a red coat on the beach"


@dataclass(frozen=True)
class OpenAI:
    """A served API, its worker, and the key of an unlimited tenant."""

    api: LocalApi
    work: Callable[[str], None]
    pool: ThreadPoolExecutor

    def call(self, method: str, path: str, *, key: str | None = "", **more) -> httpx2.Response:
        """Sends a request with this key; empty: the first tenant's, None: none."""
        headers = {} if key is None else {"Authorization": f"Bearer {key or self.api.key}"}
        headers |= more.pop("headers", {})
        return httpx2.request(method, self.api.url + path, headers=headers, timeout=120, verify=False, **more)

    def post(self, path: str = "/v1/images/generations", *, key: str = "", **more) -> "Future[httpx2.Response]":
        """Sends a request that waits for pictures."""
        return self.pool.submit(self.call, "POST", path, key=key, **more)

    def generate(self, *, key: str = "", headers: dict | None = None, **fields) -> "Future[httpx2.Response]":
        """Sends a request for pictures of a prompt."""
        return self.post(key=key, headers=headers or {}, json={"prompt": PROMPT} | fields)

    def drawn(self, answer: "Future[httpx2.Response]") -> httpx2.Response:
        """Draws what is asked for until a request is answered."""
        while not answer.done():
            for job_id in self.open_jobs():
                self.work(job_id)
            threading.Event().wait(0.02)
        return answer.result()

    def images(self, *, status: int = 200, **fields) -> dict:
        """The answer to a request whose pictures are drawn, which must have this status."""
        answer = self.drawn(self.generate(**fields))
        assert answer.status_code == status, answer.text
        return answer.json()

    def open_jobs(self) -> list[str]:
        """Ids of all open jobs, oldest first."""
        return [row.id for row in self.rows() if row.state in OPEN]

    def rows(self) -> list:
        """All jobs, oldest first."""
        return sorted(self.read(jobs), key=lambda row: (row.created_at, row.id))

    def read(self, table) -> list:
        """All rows of a table."""
        database = composition.open_database(self.api.settings)
        try:
            with database.read() as connection:
                return connection.execute(select(table)).all()
        finally:
            database.close()

    def until(self, is_so: Callable[[], object]) -> None:
        """Waits for something that another thread brings about."""
        for _ in range(3000):
            if is_so():
                return
            threading.Event().wait(0.02)
        raise AssertionError("it did not come to be")

    def abandon(self, *, key: str = "", **fields) -> str:
        """Sends a request for a picture, and goes away once its job is made; returns its id."""
        before = {row.id for row in self.rows()}
        url = httpx2.URL(self.api.url)
        connection = http.client.HTTPConnection(url.host, url.port, timeout=60)
        headers = {"Authorization": f"Bearer {key or self.api.key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/images/generations", json.dumps({"prompt": PROMPT} | fields), headers)
        self.until(lambda: {row.id for row in self.rows()} - before)
        connection.close()
        (job_id,) = {row.id for row in self.rows()} - before
        self.until(lambda: all(row.left_at for row in self.read(awaited_answers) if row.id == job_id))
        return job_id

    @contextmanager
    def another(self, **changes) -> Iterator["OpenAI"]:
        """Another API process over the same database and Redis, with other settings of the section."""
        section = self.api.settings.openai.model_copy(update=changes)
        loaded = self.api.settings.model_copy(update={"openai": section})
        with start_asgi(lambda _url: create_app(loaded), lifespan="on") as url:
            yield replace(self, api=replace(self.api, url=url))

    def new_key(self, tenant: str, *, plan: str = "unlimited", **options: str) -> str:
        """A key of a tenant."""
        more = [word for name, value in options.items() for word in (f"--{name}", value)]
        return self.api.imgen("keys", "create", f"k{secrets.token_hex(4)}", "--tenant", tenant, "--plan", plan, *more)


@contextmanager
def start_openai(data, redis_url: str, settings: str = "") -> Iterator[OpenAI]:
    """Serves the dialect over a new data folder."""
    with (
        start_local_api(data, redis_url, settings) as api,
        start_local_worker(api.settings) as work,
        ThreadPoolExecutor(8) as pool,
    ):
        yield OpenAI(api, work, pool)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def openai(request, database_section, tmp_path_factory, redis_url) -> Iterator[OpenAI]:
    """The dialect over each database."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    with start_openai(tmp_path_factory.mktemp("openai") / "var", redis_url, database_section(request.param)) as running:
        yield running
