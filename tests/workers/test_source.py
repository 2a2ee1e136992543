"""Source and mask on their way into a job: fetched, reviewed before they are used, fitted to the size asked for."""

import base64
import hashlib
import io
import json

import numpy as np
import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from PIL import Image
from servers.chat import FAULTS, completion, start_chat

from imgen.domain.job import State
from imgen.domain.recipe import Input
from imgen.provenance.fingerprint import fingerprint
from imgen.records import audit, jobs, ledger
from workers import tasks
from workers.engines.paste_back import SEAM_PX
from workers.stages.source import cover

SIZE = 320, 256
SAFE = completion(json.dumps({"safe": True, "rules": [], "reason": "fine"}))


def picture(seed, size=SIZE):
    """Makes a picture with enough in it for PDQ."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def store(resources, role, image, strength=0.5):
    """Stores a picture as the gate does; returns the input of a recipe."""
    file = io.BytesIO()
    image.save(file, "png")
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    resources.objects.put(f"inputs/ten_1/{sha256}", file.getvalue(), "image/png")
    return Input(role=role, key=f"inputs/ten_1/{sha256}", sha256=sha256, strength=strength)


def submit(resources, *inputs, ruleset="default"):
    recipe = make_recipe(ruleset=ruleset)
    diffusion = structs.replace(recipe.diffusion, width=SIZE[0], height=SIZE[1], inputs=inputs)
    output = structs.replace(recipe.output, format="png")
    job = make_job(recipe=structs.replace(recipe, diffusion=diffusion, output=output))
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    return find(resources, job)


def find(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def master(resources, job):
    return np.asarray(Image.open(io.BytesIO(resources.objects.get(job.master_key)))).astype(int)


def finish(resources, job):
    tasks.run_phase(resources, tasks.FINISH, job.id)
    return find(resources, job)


def list_pictures(resources, *images):
    """Puts pictures on a match list."""
    folder = resources.settings.data_dir / "matches"
    folder.mkdir(exist_ok=True)
    rows = [fingerprint(np.ascontiguousarray(np.asarray(image.convert("RGB")))).hash for image in images]
    (folder / "list.csv").write_text("\n".join(rows))


def test_strength_decides_how_near_the_picture_is(resources):
    """The whole path: at a small strength the picture is nearer to its source than at a great one, at zero it is the source."""
    source = picture(1)
    distances = []
    for strength in (0.0, 0.3, 0.9):
        job = submit(resources, store(resources, "source", source, strength))
        distances.append(np.abs(master(resources, job) - np.asarray(source)).mean())
        assert finish(resources, job).state is State.COMPLETED
    assert distances[0] == 0
    assert distances[0] < distances[1] < distances[2]


def test_mask_keeps_what_is_black(resources):
    """Beyond the seam of the mask the master is the source, pixel by pixel, and inside it is not."""
    source, mask = picture(1), Image.new("L", SIZE)
    mask.paste(255, (0, 0, 100, SIZE[1]))
    job = submit(resources, store(resources, "source", source), store(resources, "mask", mask))
    drawn = master(resources, job)
    assert np.array_equal(drawn[:, 100 + SEAM_PX :], np.asarray(source)[:, 100 + SEAM_PX :])
    assert np.abs(drawn[:, :100] - np.asarray(source)[:, :100]).mean() > 5


def test_source_of_another_shape_covers_the_size(resources):
    """A source is scaled to cover the size asked for, its middle kept; a mask likewise."""
    wide, mask = picture(1, (800, 256)), Image.new("L", (800, 256))
    mask.paste(255, (240, 0, 340, 256))
    inputs = store(resources, "source", wide), store(resources, "mask", mask)
    drawn = master(resources, submit(resources, *inputs))
    cut = np.asarray(wide)[:, 240:560]
    assert np.array_equal(drawn[:, 100 + SEAM_PX :], cut[:, 100 + SEAM_PX :])


@pytest.mark.parametrize("size", [(640, 512), (161, 127), (321, 256), (64, 1024), (1024, 64)], ids=str)
def test_cover_fills_the_size(size):
    """Whatever the shape, the result has the size asked for, and the source's middle lies in its middle."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, size[0] // 2 :] = 255
    covered = cover(pixels, *SIZE)
    assert covered.shape == (SIZE[1], SIZE[0], 3)
    across = covered[SIZE[1] // 2, :, 0]
    middle = int(np.argmax(across >= 128))
    assert abs(middle - SIZE[0] / 2) <= max(2, SIZE[0] / size[0])
    assert cover(pixels[..., 0], *SIZE).shape == (SIZE[1], SIZE[0])


@pytest.mark.parametrize("where", ["whole", "turned", "middle", "mask"])
def test_listed_inputs_are_never_drawn_from(resources, where):
    """A listed source is blocked before anything is drawn: also turned, as the part that would be used, or as the mask."""
    listed = picture(5)
    list_pictures(resources, listed)
    wide = picture(6, (1280, SIZE[1]))
    wide.paste(listed, (480, 0))
    shown = {"whole": listed, "turned": listed.rotate(90, expand=True), "middle": wide, "mask": picture(6)}[where]
    inputs = [store(resources, "source", shown)]
    if where == "mask":
        grey = listed.convert("L")
        list_pictures(resources, grey)
        inputs.append(store(resources, "mask", grey))
    ended = submit(resources, *inputs)
    assert ended.state is State.BLOCKED
    assert ended.outcome.blocked.floor
    assert ended.outcome.blocked.categories == ("listed",)
    assert ended.outcome.blocked.unsafe_key == ""
    assert not list(resources.objects.list("work/"))
    with resources.database.read() as connection:
        (entry,) = audit.of_subject(connection, ended.id)
    assert f"{'mask' if where == 'mask' else 'source'}: match list: distance" in entry.detail["reason"]


@pytest.fixture
def looked_at(make_resources):
    """Resources whose pictures a chat model looks at, and that model."""
    with start_chat() as chat:
        chat.will(always=SAFE)
        review = f'[review]\nreviewers = ["rules", "vision"]\nbase_url = "{chat.base_url}"\nmodel = "eye"\n'
        yield make_resources(review), chat


def shown_to(chat):
    """Returns the pictures that the model was shown, oldest first."""
    uris = [asked.body["messages"][1]["content"][1]["image_url"]["url"] for asked in chat.asked]
    return [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB") for uri in uris]


def test_reviewers_see_the_source_before_it_is_used(looked_at):
    """They are shown its pixels, whole, and the part that is used where much is cut off; then the picture."""
    resources, chat = looked_at
    blue = picture(1)
    blue.paste((0, 0, 255), (0, 0, 320, 200))
    job = submit(resources, store(resources, "source", blue))
    (seen,) = shown_to(chat)
    assert seen.size == SIZE
    assert seen.getpixel((160, 100))[2] > 200
    assert finish(resources, job).state is State.COMPLETED
    before = len(chat.asked)
    assert before == 2
    submit(resources, store(resources, "source", picture(2, (1280, 256))))
    assert [round(one.size[0] / one.size[1], 1) for one in shown_to(chat)[before:]] == [5.0, 1.2]


@pytest.mark.parametrize("rule", ["gore", "hate"])
def test_a_refused_source_leaves_nothing(looked_at, rule):
    """Under a rule with release as well: no picture was drawn that could be released."""
    resources, chat = looked_at
    chat.will(completion(json.dumps({"safe": False, "rules": [rule], "reason": "seen"})), always=SAFE)
    ended = submit(resources, store(resources, "source", picture(1)))
    assert ended.state is State.BLOCKED
    assert ended.outcome.blocked.categories == (rule,)
    assert ended.outcome.blocked.unsafe_key == ""
    assert not list(resources.objects.list("work/"))


def test_a_silent_reviewer_holds_the_job(looked_at):
    """While nobody looks at its source, a job waits and nothing is drawn."""
    resources, chat = looked_at
    chat.will(always=FAULTS["503"])
    job = submit(resources, store(resources, "source", picture(1)))
    assert job.state is State.QUEUED
    assert job.error_code == "reviewer_unavailable"
    assert not list(resources.objects.list("work/"))


@pytest.mark.parametrize("how", ["deleted", "changed"])
def test_a_lost_file_ends_the_job(resources, how):
    """A file that is gone or was exchanged ends the job at once, with a code of its own."""
    source = store(resources, "source", picture(1))
    resources.objects.delete(source.key)
    if how == "changed":
        other = resources.objects.get(store(resources, "source", picture(2)).key)
        resources.objects.put(source.key, other, "image/png")
    ended = submit(resources, source)
    assert ended.state is State.FAILED
    assert ended.error_code == "source_lost"
