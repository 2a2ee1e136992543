"""Forge over a real Redis and both databases, served in the test's process, with a worker that draws when it is told to."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import pytest
import redis
from servers.local import LocalApi, start_local_api, start_local_worker

from imgen.domain.ids import stored_id


@dataclass(frozen=True)
class Forge:
    """A served API, its worker, and the key of an unlimited tenant."""

    api: LocalApi
    work: Callable[[str], None]

    def call(self, method: str, path: str, *, key: str | None = "", **more) -> httpx2.Response:
        """Sends a request with this key; empty: the first tenant's, None: none."""
        headers = {} if key is None else {"X-API-Key": key or self.api.key}
        return httpx2.request(
            method, self.api.url + path, headers=headers | more.pop("headers", {}), timeout=30, verify=False, **more
        )

    def generate(self, *, key: str | None = "", status: int = 202, **fields) -> dict:
        """The answer to a request for a picture, which must have this status."""
        answer = self.call("POST", "/v2/generate", key=key, json={"prompt": "a red coat on the beach"} | fields)
        assert answer.status_code == status, answer.text
        return answer.json()

    def job(self, job_id: str, *, key: str | None = "") -> dict:
        """The answer to a poll, which must be 200."""
        answer = self.call("GET", f"/v2/jobs/{job_id}", key=key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def draw(self, *, key: str | None = "", **fields) -> dict:
        """A job that the worker has ended."""
        made = self.generate(key=key, **fields)
        self.work(stored_id(made["job_id"]))
        return self.job(made["job_id"], key=key)

    def new_key(self, tenant: str, *, plan: str = "unlimited", **options: str) -> str:
        """A key of a tenant."""
        more = [word for name, value in options.items() for word in (f"--{name}", value)]
        return self.api.imgen("keys", "create", f"k{secrets.token_hex(4)}", "--tenant", tenant, "--plan", plan, *more)


@contextmanager
def start_forge(data, redis_url: str, settings: str = "") -> Iterator[Forge]:
    """Serves Forge over a new data folder."""
    with (
        start_local_api(data, redis_url, settings) as api,
        start_local_worker(api.settings) as work,
    ):
        yield Forge(api, work)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def forge(request, database_section, tmp_path_factory, redis_url) -> Iterator[Forge]:
    """Forge over each database."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    with start_forge(tmp_path_factory.mktemp("forge") / "var", redis_url, database_section(request.param)) as running:
        yield running
