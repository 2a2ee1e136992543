"""`imgen up` where every engine that models.toml names is missing from engines.toml: all parts run, and jobs wait."""

import time

import httpx2
from drawn_elsewhere import MODEL
from faults.truth import truth_of
from servers.stack import start_stack

from imgen.domain.job import State

REASON = "engines.toml has no engine elsewhere"


def test_the_service_runs_without_any_engine_and_its_jobs_wait(tmp_path):
    """It is healthy and ready, its one model is listed with the reason, and a job waits for an engine, which its row tells."""
    settings = 'default_plan = "unlimited"\n[cache]\nenabled = false\n'
    with start_stack(tmp_path / "var", settings=settings, models=MODEL) as stack:
        assert [httpx2.get(f"{stack.url}/{path}").status_code for path in ("healthz", "readyz")] == [200, 200]
        models = stack.post({"action": "models"}).json()["models"]
        assert {key: model["reason"] for key, model in models.items()} == {"eros": REASON}
        made = stack.generate()
        with truth_of(stack.data) as truth:
            job = truth.jobs([made["id"]])[0]
            deadline = time.monotonic() + 60
            while job.waiting_since is None:
                assert time.monotonic() < deadline, job
                time.sleep(0.05)
                job = truth.jobs([made["id"]])[0]
        assert (job.error_code, job.outcome) == ("remote_engine_away", None)
        assert REASON in job.error_reason
        assert job.state in {State.QUEUED, State.RENDERING}  # it is tried again after a pause
        assert stack.status(made)["status"] in {"QUEUED", "IN_PROGRESS"}
