"""`imgen models add`: from a folder or file on disk to a model that requests can name."""

import os
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from PIL import Image

from imgen import settings
from workers import backends


@pytest.fixture
def data(tmp_path):
    return tmp_path / "var"


@pytest.fixture
def imgen(data):
    """Runs a command over an empty data folder, with one thread for models this small."""

    def run(*arguments):
        command = [sys.executable, "-m", "imgen.cli", "models", *arguments, "--data", str(data)]
        around = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=around)

    return run


@pytest.mark.parametrize(
    ("family", "guidance", "left_out"),
    [("sd15", 7.0, ("safety_checker", "feature_extractor", "image_encoder")), ("starter", 4.5, None)],
)
def test_a_folder_is_tried_and_written(imgen, models, data, family, guidance, left_out):
    """The entry suits the model's kind, leaves out what its index says is missing, and loads as it was written."""
    done = imgen("add", str(models / family), "--as", "mine", "--label", 'My "own"', "--steps", "1", "--default")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    loaded = settings.load(data, environ={})
    catalog = settings.load_catalog(loaded)
    model = catalog.models["mine"]
    assert next(iter(catalog.models)) == "mine"
    assert (model.label, model.source) == ('My "own"', str((models / family).resolve()))
    assert (model.steps.default, model.guidance.default) == (1, guidance)
    assert set(model.styles) == {"professional", "cinematic"}
    assert set(model.leave_out) >= set(left_out or ("text_encoder_3", "tokenizer_3"))
    backends.load(model, folders=loaded.model_folders, allow_downloads=False).unload()
    with Image.open(data / "models" / "mine.trial.png") as picture:
        assert picture.size == (1344, 768)
        assert np.asarray(picture).std() > 1
    listed = imgen("list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["mine", "eros"]


def test_a_second_model_leaves_the_first_as_it_was(imgen, models, data):
    """What an operator wrote by hand stays, comments included; relative names are used inside the models folder."""
    data.mkdir()
    (data / "imgen.toml").write_text('# ours\n[http]\nport = 9000\n[logs]\nlevel = "DEBUG"\n')
    (data / "models").mkdir()
    shutil.copytree(models / "sd15", data / "models" / "tiny")
    source = str(data / "models" / "tiny")
    assert imgen("add", source, "--as", "one", "--steps", "1").returncode == 0
    with (data / "models.toml").open("a") as file:
        file.write("# by hand\n")
    assert imgen("add", source, "--as", "two", "--steps", "1", "--default").returncode == 0
    written = (data / "models.toml").read_text()
    assert "# by hand" in written
    assert {name: table["source"] for name, table in tomllib.loads(written).items()} == {"one": "tiny", "two": "tiny"}
    kept = (data / "imgen.toml").read_text()
    assert "# ours" in kept
    told = settings.load(data, environ={})
    assert (told.default_model, told.http.port, told.logs.level) == ("two", 9000, "DEBUG")
    again = imgen("add", source, "--as", "one")
    assert (again.returncode, "already" in again.stderr) == (1, True)


@pytest.mark.parametrize("key", ["", "Upper", "a b", "../x", "x" * 41, "a]\n[b"])
def test_a_key_that_is_none_is_refused(imgen, models, data, key):
    """Nothing is loaded or written for a name that could not be one."""
    done = imgen("add", str(models / "sd15"), "--as", key)
    assert done.returncode == 1
    assert done.stderr.startswith("imgen: ")
    assert not (data / "models.toml").exists()


def test_what_is_no_safe_model_is_refused(imgen, models, data, tmp_path):
    """Pickles, missing folders and hub ids without a download end in one line, and nothing is written."""
    pickled = tmp_path / "pickled"
    shutil.copytree(models / "sd15", pickled)
    weights = next((pickled / "unet").glob("*.safetensors"))
    weights.rename(weights.with_suffix(".bin"))
    fake = tmp_path / "fake.safetensors"
    fake.write_bytes(b"\x80\x04K\x01.")
    for source in (str(pickled), str(fake), str(tmp_path / "missing"), "owner/name"):
        done = imgen("add", source, "--as", "mine")
        assert done.returncode == 1, source
        assert done.stderr.count("imgen: ") == 1, done.stderr
        assert "Traceback" not in done.stderr
    assert not (data / "models.toml").exists()


def test_an_unknown_default_is_told(data):
    """A default that is no model stops the start, by name."""
    data.mkdir()
    (data / "imgen.toml").write_text('default_model = "gone"\n')
    with pytest.raises(settings.ConfigurationError, match="gone"):
        settings.load_catalog(settings.load(data, environ={}))
