"""Pictures built to break or to exhaust: refused at once, under any name."""

import io
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from bombs import END, chunk, png, saved
from PIL import Image

from imgen.domain import errors
from imgen.provenance import branding, untrusted_image

PROGRAM = """
import json, pathlib, re, sys, time, warnings
warnings.simplefilter("error")
from imgen.domain import errors
from imgen.provenance import branding
def memory(field):
    return int(re.search(field + r":\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024
warm = pathlib.Path(sys.argv[1], "warm").read_bytes()
branding.open_logo(warm)
found = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.bin")):
    body = path.read_bytes()
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is in use
    before, start = memory("VmRSS"), time.process_time()
    try:
        outcome = list(branding.open_logo(body).shape)
    except errors.InvalidField as exc:
        outcome = exc.field
    found[path.stem] = outcome, (time.process_time() - start) * 1000, memory("VmHWM") - before
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, bombs):
    """Results of a fresh process for each case: name → (outcome, milliseconds of a core, growth of its peak memory in MiB)."""
    if not pathlib.Path("/proc/self/clear_refs").exists():
        pytest.skip("measuring peak memory needs Linux's /proc/self/clear_refs")
    folder = tmp_path_factory.mktemp("bombs")
    cases, fine = bombs
    names = [*cases, *fine]
    for index, body in enumerate([*cases.values(), *fine.values()]):
        (folder / f"{index:03}.bin").write_bytes(body)
    (folder / "warm").write_bytes(saved(Image.new("RGB", (64, 64)), "PNG"))
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, timeout=120, check=True)
    measured = json.loads(done.stdout)
    return {names[int(index)]: result for index, result in measured.items()}, set(cases), set(fine)


def test_over_40_bombs_and_broken_files_are_refused(outcomes):
    """Each is an `Invalid wm_image`, and no other error or warning comes out."""
    measured, cases, _ = outcomes
    assert len(cases) > 70
    assert {name: measured[name][0] for name in cases} == dict.fromkeys(cases, "wm_image")


def test_bombs_cost_neither_time_nor_memory(outcomes):
    """None takes 200 ms of a core or 100 MiB (time doubled here: test machines are shared)."""
    measured, cases, _ = outcomes
    slow = {name: measured[name][1] for name in cases if measured[name][1] > 400}
    large = {name: measured[name][2] for name in measured if measured[name][2] > 100}
    assert (slow, large) == ({}, {})


def test_unusual_files_are_opened_and_large_ones_made_small(outcomes):
    """Sixteen megapixels, animations and crooked metadata are a picture all the same, 2,048 pixels wide at most."""
    measured, _, fine = outcomes
    shapes = {name: measured[name][0] for name in fine}
    assert all(isinstance(shape, list) and shape[2] == 4 and max(shape) <= 2048 for shape in shapes.values()), shapes
    assert shapes["png of 16 megapixels"] == [2000, 2000, 4]


def test_random_damage_raises_nothing_else(pictures):
    """A thousand damaged files are opened or refused, and nothing else happens."""
    rng = np.random.default_rng(0)
    logo = Image.fromarray(pictures["illustration"](48, 48))
    bodies = [saved(logo, "PNG"), saved(logo, "JPEG"), saved(logo, "JPEG", progressive=True), saved(logo, "WEBP")]
    refused = 0
    for index in range(1000):
        damaged = np.frombuffer(bodies[index % len(bodies)], np.uint8).copy()
        places = rng.integers(0, min(len(damaged), 400 if index % 2 else len(damaged)), 6)
        damaged[places] = rng.integers(0, 256, 6)
        try:
            branding.open_logo(damaged.tobytes())
        except errors.InvalidField:
            refused += 1
    assert 200 < refused < 1000


@pytest.mark.parametrize(("side", "fits"), [((4000, 4000), True), ((4000, 4001), False), ((16_000_000, 1), True)])
def test_limit_is_sixteen_megapixels(side, fits):
    """The area counts, read from the header alone."""
    body = png(*side, chunk(b"IDAT", b""), END)
    if fits:
        with untrusted_image.open_untrusted(body, "image") as image:
            assert image.size == side
    else:
        with pytest.raises(errors.InvalidField, match="Invalid image"), untrusted_image.open_untrusted(body, "image"):
            pass


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "avif"])
def test_media_type_is_told_by_the_first_bytes(name):
    """Of the four formats; anything else has none."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, name)
    assert untrusted_image.media_type(file.getvalue()) == f"image/{name}"
    assert untrusted_image.media_type(b"GIF89a" + file.getvalue()) == ""
