"""Command `imgen worker`: threads of its matrix library."""

import os

import pytest
from servers.command import run_command
from weights_files import write_model

from imgen.cli.main import main


@pytest.mark.parametrize(("operators", "threads"), [(None, "1"), ("4", "4")])
def test_a_worker_has_one_matrix_thread(tmp_path, monkeypatch, operators, threads):
    """Worker processes fill the cores by themselves; an operator's own number stays."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", operators or "")
    if operators is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    (tmp_path / "imgen.toml").write_text("[http]\nport = 'none'\n")  # so that it ends before it consumes
    with pytest.raises(SystemExit):
        main(["worker", "--queues", "finish", "--data", str(tmp_path)])
    assert os.environ["OPENBLAS_NUM_THREADS"] == threads


@pytest.mark.parametrize("queues", ["render.nobody", "finish,render.nobody", "finished", " , "])
def test_a_worker_refuses_a_queue_that_no_job_is_sent_to(tmp_path, queues):
    """It would wait for ever; the message has the queues that there are."""
    done = run_command("worker", "--queues", queues, "--data", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.endswith("render.eros, finish\n")


def test_a_worker_logs_weights_of_a_shipped_name(tmp_path):
    """Once, when it starts, before anything else."""
    write_model(tmp_path / "models" / "starter")
    done = run_command("worker", "--queues", "render.nobody", "--data", str(tmp_path))
    assert done.stderr.count("starter is not used") == 1


@pytest.mark.parametrize(("queues", "preload"), [("finish", "eros"), ("render.eros", "eros,nobody")])
def test_a_worker_refuses_to_load_a_model_that_it_has_no_queue_for(tmp_path, queues, preload):
    """No job of it would ever come."""
    done = run_command("worker", "--queues", queues, "--preload", preload, "--data", str(tmp_path))
    assert done.returncode == 1
    assert f"no queue for {preload.rpartition(',')[2]}; its queues are {queues}" in done.stderr
