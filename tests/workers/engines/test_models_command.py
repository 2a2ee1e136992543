"""`imgen models add`: from a folder or file on disk to a model that requests can name."""

import os
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from PIL import Image

from imgen import configuration, settings
from workers import engines

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def test_the_command_is_a_process(models, data):
    """`python -m imgen.cli` loads, tries and writes what the tests below do in their own process; its trial is of the default size."""
    command = [sys.executable, "-m", "imgen.cli", "models", "add", str(models / "sd15"), "--as", "mine", "--steps", "1"]
    around = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*command, "--data", str(data)], capture_output=True, text=True, check=False, timeout=120, env=around
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "1 steps at 1344×768" in done.stdout
    with Image.open(data / "models" / "mine.trial.png") as picture:
        assert picture.size == (1344, 768)


@pytest.mark.parametrize(
    ("family", "guidance", "left_out"),
    [
        ("sd15", 7.0, {"safety_checker", "feature_extractor", "image_encoder"}),
        ("sdxl", 6.0, {"feature_extractor", "image_encoder"}),
        ("sd3", 4.5, {"feature_extractor", "image_encoder"}),
        ("flux", 3.5, {"feature_extractor", "image_encoder"}),
        ("starter", 4.5, {"feature_extractor", "image_encoder", "text_encoder_3", "tokenizer_3"}),
    ],
)
def test_a_folder_is_tried_and_written(imgen, models, data, family, guidance, left_out):
    """The entry suits the model's kind, leaves out what its index says is missing, and loads as it was written."""
    done = imgen("add", str(models / family), "--as", "mine", "--label", 'My "own"', "--steps", "1", "--default")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    loaded = settings.load(data, environ={})
    catalog = configuration.load_catalog(loaded)
    model = catalog.models["mine"]
    assert next(iter(catalog.models)) == "mine"
    assert (model.label, model.source) == ('My "own"', str((models / family).resolve()))
    assert (model.steps.default, model.guidance.default) == (1, guidance)
    assert model.negative_prompt == (family != "flux")
    assert set(model.styles) == {"professional", "cinematic"}
    assert set(model.engine.leave_out) == left_out
    engines.load(model, engines.EngineContext(folders=loaded.model_folders)).unload()
    with Image.open(data / "models" / "mine.trial.png") as picture:
        assert picture.size == (256, 256)
        assert np.asarray(picture).std() > 1
    listed = imgen("list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["mine", "eros"]


def test_a_second_model_leaves_the_first_as_it_was(imgen, models, data):
    """Lines that an operator wrote by hand stay, comments included; relative names are used inside the models folder."""
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
    for taken in ("one", "eros"):
        again = imgen("add", source, "--as", taken)
        assert (again.returncode, "already" in again.stderr) == (1, True), taken


def test_a_component_is_left_out_where_asked(imgen, models, data):
    """SD3 without its T5, from a folder that has one; steps beyond the kind's range widen it."""
    without = [word for name in ("text_encoder_3", "tokenizer_3") for word in ("--leave-out", name)]
    done = imgen("add", str(models / "sd3"), "--as", "mine", "--steps", "61", *without)
    assert done.returncode == 0, done.stderr
    model = configuration.load_catalog(settings.load(data, environ={})).models["mine"]
    assert {"text_encoder_3", "tokenizer_3"} <= set(model.engine.leave_out)
    assert (model.steps.default, model.steps.min, model.steps.max) == (61, 4, 61)
    wrong = imgen("add", str(models / "sd3"), "--as", "other", "--leave-out", "text_encoder_9")
    assert (wrong.returncode, "has no text_encoder_9" in wrong.stderr) == (1, True), wrong.stderr


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("models.toml", '[half]\nlabel = "Half"\nsources = "x"\n'),
        ("imgen.toml", 'default_model = "gone"\n'),
        ("imgen.toml", '[http]\ndefault_model = "x"\n'),
    ],
)
def test_a_configuration_that_is_broken_before_is_told_first(imgen, models, data, file, text):
    """Not after minutes of trying, and with nothing written."""
    data.mkdir()
    (data / file).write_text(text)
    done = imgen("add", str(models / "sd15"), "--as", "mine", "--steps", "1", "--default")
    assert (done.returncode, done.stderr.count("imgen: "), "Loading" in done.stdout) == (1, 1, False), done.stderr
    assert {path.name: path.read_text() for path in data.iterdir()} == {file: text}


def test_a_default_that_the_environment_overrules_is_told(imgen, models, data, monkeypatch):
    """Names with brackets are printed as they are."""
    monkeypatch.setenv("IMGEN_DEFAULT_MODEL", "eros")
    source = data / "models" / "[/bold] [red]"
    shutil.copytree(models / "sd15", source)
    done = imgen("add", str(source), "--as", "mine", "--steps", "1", "--default")
    assert done.returncode == 0, done.stderr
    assert f"Loading {source}" in done.stdout
    assert "IMGEN_DEFAULT_MODEL goes before it, and says eros" in done.stdout


@pytest.mark.parametrize("label", ["a\x7fb", "a\nb"])
def test_a_label_that_cannot_be_shown_is_refused(imgen, models, data, label):
    done = imgen("add", str(models / "sd15"), "--as", "mine", "--label", label)
    assert (done.returncode, "is no label" in done.stderr) == (1, True)
    assert not data.exists()


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
    for source, why in {
        str(pickled): "only as diffusion_pytorch_model.bin",
        str(fake): "not a safetensors file",
        str(tmp_path / "missing"): "no model",
        "owner/name": "--download",
        "x" * 300: "name too long",
    }.items():
        done = imgen("add", source, "--as", "mine")
        assert done.returncode == 1, source
        assert why in done.stderr.replace("\n", " ")
        assert done.stderr.count("imgen: ") == 1, done.stderr
        assert "Traceback" not in done.stderr
    assert not (data / "models.toml").exists()


def test_an_unknown_default_is_told(data):
    """A default that is no model stops the start, by name."""
    data.mkdir()
    (data / "imgen.toml").write_text('default_model = "gone"\n')
    with pytest.raises(settings.ConfigurationError, match="gone"):
        configuration.load_catalog(settings.load(data, environ={}))


def test_a_lora_that_does_not_fit_the_new_model_is_told(imgen, models, data):
    """Entries that characters.toml has for it already are checked with it; a LoRA in the model's own place is named."""
    data.mkdir()
    (data / "characters.toml").write_text(
        '[zoe]\ntrigger = "zoe"\nloras = { mine = "starter/loras/aya.safetensors" }\n'
    )
    done = imgen("add", str(models / "sd3"), "--as", "mine", "--steps", "1")
    assert done.returncode == 1
    assert "aya.safetensors does not fit this model" in done.stderr
    done = imgen("add", str(models / "starter" / "loras" / "aya.safetensors"), "--as", "mine")
    assert done.returncode == 1
    assert "is a LoRA, not a model" in done.stderr
    assert not (data / "models.toml").exists()


def test_all_that_is_left_to_do_is_told(imgen, models, data):
    """Files on each machine, the reload, a worker for the new queue; a restart only where the default has changed."""
    source = str(models / "sd15")
    told = imgen("add", source, "--as", "one", "--steps", "1").stdout
    for word in ("restart that", str(data / "models.toml"), "Catalog page", "imgen worker --queues render.one"):
        assert word in told
    assert "restart each" not in told
    assert "restart each" in imgen("add", source, "--as", "two", "--steps", "1", "--default").stdout


def test_components_and_scheduler_options_are_written_as_they_were_tried(imgen, models, data):
    """Under relative names inside the models folder; the entry loads as it was written, and finds its LoRA files fitting."""
    shutil.copytree(models / "sdxl", data / "models" / "base")
    shutil.move(data / "models" / "base" / "vae", data / "models" / "my-vae")
    outside = models / "sdxl" / "unet"
    given = [f"vae={data / 'models' / 'my-vae'}", f"unet={outside}"]
    options = ["use_karras_sigmas=true", "beta_end=0.01", "timestep_spacing=trailing"]
    done = imgen(
        *("add", str(data / "models" / "base"), "--as", "mine", "--steps", "1"),
        *(word for pair in given for word in ("--component", pair)),
        *(word for pair in options for word in ("--scheduler-option", pair)),
    )
    assert done.returncode == 0, done.stderr
    loaded = settings.load(data, environ={})
    model = configuration.load_catalog(loaded).models["mine"]
    assert model.engine.components == {"vae": "my-vae", "unet": str(outside.resolve())}
    assert model.engine.scheduler_options == {
        "use_karras_sigmas": True,
        "beta_end": 0.01,
        "timestep_spacing": "trailing",
    }
    assert not {"vae", "unet"} & set(model.engine.leave_out)
    engines.load(model, engines.EngineContext(folders=loaded.model_folders)).unload()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--component", "vae"], "--component vae: it has to be NAME=VALUE"),
        (["--component", "vae=a", "--component", "vae=b"], "vae is given twice"),
        (["--component", "vae=gone"], "components: vae: no file or folder 'gone'"),
        (["--component", "tea=gone"], "components: tea: "),
        (["--component", "vae=gone", "--leave-out", "vae"], "leave_out and components both name vae"),
        (["--scheduler-option", "=3"], "it has to be NAME=VALUE"),
        (["--scheduler-option", "shift=3"], "PNDMScheduler takes no shift"),
        (["--scheduler-option", "beta_end=high"], "beta_end of PNDMScheduler is a number, not 'high'"),
        (["--scheduler-option", 'beta_end=["a"]'], "scheduler_options"),
    ],
)
def test_a_refused_option_leaves_all_files_as_they_are(imgen, models, data, options, words):
    """One line tells why."""
    data.mkdir()
    for name in ("models.toml", "imgen.toml"):
        (data / name).write_text("# ours\n")
    done = imgen("add", str(models / "sd15"), "--as", "mine", "--steps", "1", "--default", *options)
    assert (done.returncode, done.stderr.count("imgen: "), done.stderr.count("\n")) == (1, 1, 1), done.stderr
    assert words in done.stderr
    assert {path.name: path.read_text() for path in data.iterdir()} == {
        "models.toml": "# ours\n",
        "imgen.toml": "# ours\n",
    }
