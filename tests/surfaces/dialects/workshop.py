"""An API served in the test's process and a worker beside it, which keeps copies of the masters."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from servers.local import LocalApi, start_local_api
from sqlalchemy import select

from imgen.domain.job import Job
from imgen.records import jobs as records
from imgen.records.tables.jobs import jobs
from imgen.records.tables.ledger import ledger
from workers import tasks
from workers.resources import WorkerResources, open_resources

PINNED = "shop/eros"
TIERS = f"""
[selectable."{PINNED}"]
label = "Eros"
model = "eros"
"""
"""Makes the instant model known by a name that Forge's callers may pin: it then costs what it costs everywhere."""


@dataclass
class Workshop:
    """A served API, and a worker in the test's process that keeps a copy of each master: it is deleted when its job ends."""

    api: LocalApi
    resources: WorkerResources
    masters: dict[str, bytes] = field(default_factory=dict)
    """By job."""

    def call(self, method: str, path: str, key: str, **more: object) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx2.request(method, self.api.url + path, headers=headers, timeout=120, **more)
        assert answer.status_code in (200, 201, 202), answer.text
        return answer

    def post(self, path: str, key: str, **fields: object) -> dict:
        return self.call("POST", path, key, json=fields).json()

    def run(self, send: Callable[[], object]) -> Job:
        """Sends a request that makes one job, and draws it; returns the job at its end."""
        before = set(self._ids())
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(send)  # a request may wait for its picture
            while not (new := set(self._ids()) - before):
                assert not answer.done() or answer.result()
                threading.Event().wait(0.02)
            [job_id] = new
            tasks.run_phase(self.resources, tasks.RENDER, job_id)
            self.masters[job_id] = self.resources.objects.get(self.job(job_id).master_key)
            tasks.run_phase(self.resources, tasks.FINISH, job_id)
            answer.result()
        return self.job(job_id)

    def job(self, job_id: str) -> Job:
        with self.resources.database.read() as connection:
            return records.find(connection, job_id)

    def picture(self, job: Job) -> bytes:
        """The published file."""
        [key] = [image.key for image in job.outcome.images if image.type == "signed"]
        return self.resources.objects.get(key)

    def entries(self, job: Job) -> list[tuple[str, int, int]]:
        """The entries of a job in the ledger: kind, pictures and credits."""
        columns = (ledger.c.kind, ledger.c.pictures, ledger.c.credits)
        with self.resources.database.read() as connection:
            rows = connection.execute(select(*columns).where(ledger.c.job_id == job.id).order_by(ledger.c.kind))
            return [tuple(row) for row in rows]

    def _ids(self) -> list[str]:
        with self.resources.database.read() as connection:
            return list(connection.execute(select(jobs.c.id)).scalars())


@contextmanager
def start_workshop(data: Path, redis_url: str) -> Iterator[Workshop]:
    """Serves over a new data folder."""
    data.mkdir(parents=True)
    (data / "tiers.toml").write_text(TIERS)
    with start_local_api(data, redis_url) as api:
        resources = open_resources(api.settings)
        try:
            yield Workshop(api, resources)
        finally:
            resources.close()
