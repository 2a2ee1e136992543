"""`imgen up` is stopped, killed and started again: no job is lost, and no process is left behind."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from faults.truth import FAST, MODELS, Truth, await_gone, left_behind, truth_of
from servers.stack import start_stack

from imgen.domain.job import State


def up(data, *arguments):
    """A try to start `imgen up` that is expected to end by itself."""
    command = [sys.executable, "-m", "imgen.cli", "up", "--data", str(data), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)


@pytest.fixture
def data(tmp_path):
    """A data folder; whatever a failing test leaves running over it is killed."""
    yield tmp_path / "var"
    import psutil

    for process in psutil.process_iter():
        try:
            told = process.environ().get("IMGEN_DATA") == str(tmp_path / "var")
            if told or str(tmp_path / "var") in process.cmdline():
                process.kill()
        except psutil.Error:
            continue


def start_work(truth: Truth) -> list[str]:
    """Jobs of which one is being drawn and others wait in both queues."""
    ids = truth.submit(3) + truth.submit(2, model="slow") + truth.submit(3)
    truth.await_state(ids[3], State.RENDERING)
    return ids


def test_a_stop_loses_nothing(data):
    """SIGTERM amid jobs, then the same folder again: the running picture was let end, all others come after."""
    with start_stack(data, settings=FAST, models=MODELS) as stack, truth_of(data) as truth:
        ids = start_work(truth)
        started = time.monotonic()
        assert stack.stop(signal.SIGTERM) == 0
        assert time.monotonic() - started < 30
        assert truth.jobs(ids)[3].state is not State.RENDERING
        assert left_behind(data) == []
    with start_stack(data, settings=FAST, models=MODELS, key=stack.key) as stack, truth_of(data) as truth:
        truth.await_ended(ids)
        truth.check_once(ids)
        assert {job.attempts for job in truth.jobs(ids)} == {1}
        again = up(data)
        assert again.returncode == 1
        assert f"Already running over {data} (process {stack.process.pid})" in again.stderr
        assert stack.status({"id": ids[0]})["status"] == "COMPLETED"
        assert stack.stop(signal.SIGINT) == 0
    assert left_behind(data) == []


@pytest.mark.faults
def test_a_killed_supervisor_takes_all_along(data):
    """SIGKILL of `imgen up` amid jobs ends every process by itself; the next start finishes the jobs."""
    with start_stack(data, settings=FAST, models=MODELS) as stack, truth_of(data) as truth:
        ids = start_work(truth)
        stack.process.kill()
        stack.process.wait(10)
        # As a service manager would, without waiting for what is still ending
        with start_stack(data, settings=FAST, models=MODELS, key=stack.key) as second:
            truth.await_ended(ids)
            truth.check_once(ids)
            assert second.stop() == 0
    await_gone(data, within_s=5)


@pytest.mark.faults
def test_a_killed_supervisor_leaves_no_process(data):
    """SIGKILL of `imgen up`, even with a main worker process stopped too, leaves nothing running."""
    with start_stack(data, settings=FAST, models=MODELS) as stack, truth_of(data) as truth:
        start_work(truth)
        for part in ("render", "finish"):
            os.kill(min(stack.pids()[part]), signal.SIGKILL)
        stack.process.kill()
        stack.process.wait(10)
        print("gone after", await_gone(data, within_s=30))
    assert left_behind(data) == []


def test_a_port_in_use_is_told(data):
    """If another server has the port nothing is started, and the reason is one line."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        data.mkdir()
        (data / "models.toml").write_text(MODELS)
        started = up(data, "--port", str(other.getsockname()[1]))
    assert started.returncode == 1
    assert "in use" in started.stderr
    assert "Traceback" not in started.stderr
    assert left_behind(data) == []
