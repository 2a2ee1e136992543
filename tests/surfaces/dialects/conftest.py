"""An API process for hostile uploads, with one finished picture, and what it keeps of them."""

from collections.abc import Callable, Iterator

import httpx2
import psutil
import pytest
from servers.api import Api, start_api
from servers.local import start_local_worker
from servers.redis_server import start_redis
from sqlalchemy import func, select
from surfaces.dialects.sending import Request

from imgen import composition
from imgen import settings as layers
from imgen.domain.ids import stored_id
from imgen.records.tables.jobs import jobs
from imgen.records.tables.uploads import job_inputs, uploads

SETTINGS = """
[jobs]
max_queued = 10000
[openai]
wait_s = 0.2
max_upload_mib = 8
[logs]
level = "WARNING"
"""
"""No worker draws for it: a request over OpenAI's dialect is taken, and its wait is soon over."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API process of a module's own: nobody else's requests are in its memory."""
    folder = tmp_path_factory.mktemp("dialects")
    with (
        start_redis(folder) as redis,
        start_api(folder / "var", settings=f'[redis]\nurl = "{redis.url}"\n{SETTINGS}') as running,
    ):
        yield running


@pytest.fixture(scope="module")
def asset_url(api: Api) -> str:
    """An asset of the tenant, drawn by a worker of the test's process."""
    loaded = layers.load(api.data)
    headers = {"X-API-Key": api.key}
    made = httpx2.post(f"{api.url}/v2/generate", json={"prompt": "vase"}, headers=headers, timeout=30).json()
    with start_local_worker(loaded) as work:
        work(stored_id(made["job_id"]))
    told = httpx2.get(f"{api.url}/v2/jobs/{made['job_id']}", headers=headers, timeout=30).json()
    assert told["state"] == "completed", told
    return told["asset_url"]


@pytest.fixture(scope="module")
def send(api: Api) -> Iterator[Callable[[Request], httpx2.Response]]:
    """Sends a request with the tenant's key."""
    with httpx2.Client(base_url=api.url, headers={"Authorization": f"Bearer {api.key}"}, timeout=60) as client:

        def do(request: Request) -> httpx2.Response:
            headers = {"Content-Type": request.content_type, **request.headers}
            return client.post(request.path, content=request.content, headers=headers)

        yield do


@pytest.fixture
def kept(api: Api) -> Iterator[Callable[[], tuple]]:
    """Tells what is stored: files of inputs, files that the process has open, and rows of jobs, inputs and uploads."""
    database = composition.open_database(layers.load(api.data))
    process = psutil.Process(api.process.pid)

    def count() -> tuple:
        with database.read() as connection:
            rows = [
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (jobs, job_inputs, uploads)
            ]
        files = {str(path) for path in api.data.rglob("*") if path.is_file() and "imgen.db" not in path.name}
        spooled = [one.path for one in process.open_files() if "(deleted)" in one.path]
        return files, spooled, rows

    yield count
    database.close()
