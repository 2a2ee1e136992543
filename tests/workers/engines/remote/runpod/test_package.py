"""Kind `runpod` beside the package `runpod`: its client is content with the tests' service, its worker's results are understood."""

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from servers.comfyui_models import draw
from servers.faulty_http import answer
from servers.runpod import KEY

from imgen.domain.errors import ModelError, RefusedByProvider, RemoteEngineFailed

pytestmark = pytest.mark.faults
PYTHON = Path(f"{sys.prefix}-runpod") / "bin" / "python"
SCRIPT = Path(__file__).parents[4] / "runpod" / "calls.py"


def called(kind, tmp_path, **environ):
    """Decodes the last line that the script prints; the test is skipped where the package is not installed."""
    if not PYTHON.is_file():
        pytest.skip(f"no package runpod in {PYTHON.parent.parent}: `make faults` installs it where the index has it")
    clean = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [PYTHON, SCRIPT, kind],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env=clean | {"HOME": str(tmp_path)} | environ,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_packages_client_is_content_with_the_service(running, pod, tmp_path):
    """Work is run, awaited, run in one request, cancelled and purged, and a wrong key is refused."""
    told = called("client", tmp_path, RUNPOD_ENDPOINT_BASE_URL=f"{running[0].url}/v2", KEY=KEY)
    for output in (told["output"], told["sync"]):
        picture = Image.open(io.BytesIO(base64.b64decode(output["image_url"].partition(",")[2])))
        assert picture.size == (320, 256)
    assert (told["status"], told["failed"], told["failed_output"]) == ("COMPLETED", "FAILED", None)
    assert told["cancel"] in ("CANCELLED", "COMPLETED")
    assert set(told["health"]) == {"jobs", "workers"}
    assert told["purged"]["status"] == "completed"
    assert "401" in told["refused"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of handlers, as the package's worker sends them to RunPod."""
    return called("worker", tmp_path_factory.mktemp("worker"))


ERRORS = {
    "exception": (RemoteEngineFailed, "RuntimeError.*CUDA out of memory"),
    "error": (RefusedByProvider, "NSFW content detected"),
    "details": (RemoteEngineFailed, "Job processing failed.*KSampler"),
    "unknown": (ModelError, "sheduler is not a valid input option"),
    "missing": (ModelError, "prompt is a required input"),
    "type": (ModelError, "prompt should be"),
    "constraint": (ModelError, "width does not meet the constraints"),
    "nothing": (RemoteEngineFailed, "no reason was told"),
}


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_of_the_packages_worker_are_understood(client, pod, results, name):
    """Without the prompt."""
    error, words = ERRORS[name]
    result = results[name]
    body = {"id": "x", "status": "FAILED" if "error" in result else "COMPLETED"} | result
    pod.faults["GET /v2/plain/status/*"].append(answer(200, json.dumps(body).encode()))
    with pytest.raises(error, match=words) as raised:
        client(draw)
    assert "red coat" not in str(raised.value)


@pytest.mark.parametrize(("name", "seed"), [("picture", 5), ("text", None)])
def test_pictures_of_the_packages_worker_are_understood(client, pod, results, name, seed):
    """With the seed that it tells."""
    body = {"id": "x", "status": "COMPLETED"} | results[name]
    pod.faults["GET /v2/plain/status/*"].append(answer(200, json.dumps(body).encode()))
    drawn = client(draw)
    assert (drawn.file, drawn.seed) == (b"\0\0\0", seed)
