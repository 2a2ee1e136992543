"""Messages of commands: help texts are whole, parts say that they are ready and what is missing, refusals say what to do."""

import fcntl
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from servers.command import run_command

from imgen.stack.lock import lock, running_url


@pytest.mark.parametrize(
    ("command", "whole"),
    [
        (("up",), "default: [http] host."),
        (("api",), "default: [http] port."),
        (("embedder",), "[cache] api_key"),
        (("models", "add"), "<data>/models.toml"),
    ],
)
def test_help_texts_lose_nothing(command, whole):
    """Brackets and angle brackets are no markup."""
    assert whole in " ".join(run_command(*command, "--help").stdout.split())


@contextmanager
def process(*arguments):
    """A command as a process; gives the lines of its output."""
    command = [sys.executable, "-m", "imgen.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            yield running.stdout
        finally:
            running.terminate()
            running.wait(20)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_api_started_alone_says_that_it_is_ready_and_what_is_missing(tmp_path):
    """A fresh folder has neither key nor user nor Redis; the URL of the last line answers."""
    port = free_port()
    with process("api", "--port", str(port), "--data", str(tmp_path)) as output:
        lines = []
        for line in output:
            lines.append(line)
            if "API ready" in line:
                break
        text = "".join(lines)
        assert f"url=http://127.0.0.1:{port}" in text
        for missing in ("imgen keys create", "imgen users add", "Redis does not answer"):
            assert missing in text
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


@pytest.mark.parametrize("command", ["up", "api"])
def test_a_taken_port_is_told_before_anything_is_made(tmp_path, command):
    """No first key is shown by a stack that then cannot start."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with process(command, "--port", str(port), "--data", str(tmp_path)) as output:
            text = output.read()
    assert re.search(rf"Cannot listen on 127\.0\.0\.1, port {port}: Address already in use; .*--port", text)
    assert "imgen_" not in text
    assert not (tmp_path / "imgen.db").exists()


def test_a_wrong_configuration_file_is_told_before_a_key_is_made(tmp_path):
    """`up` reads everything that its parts will read."""
    (tmp_path / "plans.toml").write_text("[trial]\nopen_job = 1\n")
    done = run_command("up", "--port", str(free_port()), "--data", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "plans.toml: [trial]" in done.stderr
    assert not (tmp_path / "imgen.db").exists()


def test_generate_finds_the_stack_that_runs_over_the_data_folder(tmp_path):
    """Also where it was started with another port; without one the message names IMGEN_URL."""
    port = free_port()
    with lock(tmp_path, f"http://127.0.0.1:{port}"):
        assert running_url(tmp_path) == f"http://127.0.0.1:{port}"
        done = run_command("generate", "red coat", "--key", "imgen_x", "--data", str(tmp_path))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "IMGEN_URL" in done.stderr
    assert running_url(tmp_path) == ""


def test_a_size_that_is_none_is_refused_with_the_list(tmp_path):
    """The server would repair it to its first size."""
    for size in ("0x1000", "1344", "x", "1344x768x3"):
        done = run_command("generate", "red coat", "--key", "imgen_x", "--size", size, "--data", str(tmp_path))
        assert done.returncode == 1
        assert "1344x768, 1024x1024" in done.stderr


def test_a_probe_of_the_lock_does_not_keep_a_stack_from_starting(tmp_path):
    """`imgen generate` looks at the lock at the moment in which `imgen up` takes it."""
    with lock(tmp_path, "http://x"):
        pass
    started = time.monotonic()
    with (tmp_path / "up.lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        threading.Timer(0.03, lambda: fcntl.flock(file, fcntl.LOCK_UN)).start()
        with lock(tmp_path, "http://x"):
            assert time.monotonic() - started < 5
