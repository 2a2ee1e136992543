"""The header that warns of a queue without a worker; bodies stay those of the contract."""

import time

from servers.local import start_local_api

from imgen.live import workers
from imgen.live.executors import BlockingExecutor
from imgen.live.workers import WorkerHeartbeat
from imgen.services.served_queues import KEPT_S


def test_a_queue_without_worker_is_told_in_a_header(tmp_path, clean_redis):
    """With `generate` and with each poll, until a worker is there."""
    with start_local_api(tmp_path / "var", clean_redis) as api:
        made = api.post({"action": "generate", "prompt": "red coat"})
        poll = {"action": "status", "id": made.json()["id"]}
        for answer, fields in ((made, {"id", "prompt", "model", "format", "gen_id"}), (api.post(poll), None)):
            assert answer.headers["x-imgen-warnings"] == "no worker serves the queue render.eros"
            assert fields is None or answer.json().keys() == fields
        live, now = BlockingExecutor(clean_redis), time.time()
        live.run(
            workers.publish(
                WorkerHeartbeat(name="w", queues=("render.eros",), pid=1, memory_bytes=1, since=now, at=now)
            )
        )
        live.close()
        deadline = time.monotonic() + KEPT_S + 5
        while "x-imgen-warnings" in api.post(poll).headers:
            assert time.monotonic() < deadline
        assert "x-imgen-warnings" not in api.post({"action": "models"}).headers
