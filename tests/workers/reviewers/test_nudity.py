"""The nudity reviewer: verdicts by label, ruleset and words with a detector made for it; the real weights on harmless pictures."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from factories import PLAN, make_job
from PIL import Image

from imgen import configuration, settings
from imgen.domain.errors import ConfigurationError
from imgen.domain.job import State
from imgen.domain.review.floor import MINORS
from imgen.domain.review.verdict import Verdict
from imgen.records import jobs, ledger
from workers import tasks
from workers.reviewers import REVIEWERS, ReviewInput
from workers.reviewers.nudity import EXPOSED, NUDITY, NudityReviewer
from workers.reviewers.nudity_detector import NudityDetector, load_detector, network_input

HARMLESS = (
    "FACE_FEMALE", "FACE_MALE", "FEET_EXPOSED", "BELLY_EXPOSED", "ARMPITS_EXPOSED", "MALE_BREAST_EXPOSED", "FEET_COVERED",
    "BELLY_COVERED", "ARMPITS_COVERED", "FEMALE_BREAST_COVERED", "FEMALE_GENITALIA_COVERED", "BUTTOCKS_COVERED", "ANUS_COVERED",
)  # fmt: skip
LABELS = (*sorted(EXPOSED), *HARMLESS)
PIXELS = np.zeros((64, 64, 3), np.uint8)
GALLERY = Path(__file__).parents[3] / "docs" / "gallery.png"
ADULT, CHILD = {"prompt": "a woman on a beach"}, {"prompt": "a child on a beach"}


class Told:
    """A detector that says what it is told."""

    labels = LABELS

    def __init__(self, **scores):
        self._scores = dict.fromkeys(LABELS, 0.01) | scores

    def scores(self, _pixels):
        return self._scores


@pytest.fixture(scope="module")
def rulesets(tmp_path_factory):
    data = tmp_path_factory.mktemp("rules")
    return configuration.load_rulesets(settings.load(data, environ={}))


@pytest.fixture
def judge(rulesets):
    """The verdict where the detector finds some labels."""

    def make(ruleset="default", parts=ADULT, pixels=PIXELS, **scores):
        reviewer = NudityReviewer(Told(**scores), threshold=0.5, child_threshold=0.3)
        return reviewer.review(ReviewInput(ruleset=rulesets[ruleset], parts=parts, pixels=pixels))

    return make


@pytest.mark.parametrize("label", LABELS)
def test_what_each_label_means(judge, label):
    """Five of eighteen are nudity: they meet `sexual` under default and strict, and the floor where a child is named."""
    is_nude = label in EXPOSED
    for ruleset in ("default", "strict"):
        verdict = judge(ruleset, **{label: 0.9})
        assert (verdict.safe, verdict.codes) == ((False, ("sexual",)) if is_nude else (True, ()))
        assert verdict.release is (is_nude and ruleset == "default")
    for ruleset in ("default", "strict", "art"):
        verdict = judge(ruleset, CHILD, **{label: 0.9})
        assert (verdict.safe, verdict.floor, verdict.codes) == (
            (False, True, (MINORS,)) if is_nude else (True, False, ())
        )


def test_a_ruleset_that_notes_nudity_lets_it_pass(judge):
    """Under `art` it is noted; the flag keeps the picture out of the cache, where words about a child could find it."""
    verdict = judge("art", FEMALE_BREAST_EXPOSED=0.9)
    assert (verdict.safe, verdict.codes, verdict.flags) == (True, (NUDITY,), (NUDITY,))


@pytest.mark.parametrize(("score", "adult", "child"), [(0.29, True, True), (0.3, True, False), (0.5, False, False)])
def test_thresholds(judge, score, adult, child):
    """Each has its score, and a child's is lower; at the score itself it counts."""
    assert judge(BUTTOCKS_EXPOSED=score).safe is adult
    assert judge(parts=CHILD, BUTTOCKS_EXPOSED=score).safe is child


def test_the_reason_is_for_operators(judge):
    """Labels and scores, no words of the caller."""
    assert judge(BUTTOCKS_EXPOSED=0.512, ANUS_EXPOSED=0.9).reason == "nudity: ANUS_EXPOSED 0.90, BUTTOCKS_EXPOSED 0.51"


def test_words_alone_are_not_its_business(judge):
    """Before anything is drawn there is nothing to see."""
    assert judge(pixels=None, BUTTOCKS_EXPOSED=0.9) == Verdict(safe=True)


def test_another_version_of_the_detector_is_refused():
    """A label that it does not know could never be found."""
    detector = Told()
    detector.labels = HARMLESS
    with pytest.raises(ConfigurationError, match="ANUS_EXPOSED"):
        NudityReviewer(detector, threshold=0.5, child_threshold=0.3)


def test_the_package_must_be_installed():
    """Without it the start fails, and the message says what to install."""
    with pytest.raises(ConfigurationError, match=r"pip install 'imgen\[nudity\]'"):
        load_detector("no_such_package")


@pytest.mark.parametrize(("size", "long_side", "shape"), [
    ((1344, 768), 640, (1, 3, 384, 640)), ((768, 1344), 320, (1, 3, 320, 192)), ((10, 2000), 320, (1, 3, 320, 32)),
    ((32, 32), 320, (1, 3, 320, 320)),
])  # fmt: skip
def test_pictures_keep_their_proportions(size, long_side, shape):
    """Red first, 0 to 1, the long side as asked, black where the short side is no multiple of 32."""
    width, height = size
    red = np.zeros((height, width, 3), np.uint8)
    red[..., 0] = 255
    given = network_input(red, long_side)
    assert (given.shape, given.dtype, given.flags.c_contiguous) == (shape, np.float32, True)
    assert given[0, :, 0, 0].tolist() == [1, 0, 0]
    across, down = round(width * long_side / max(size)), round(height * long_side / max(size))
    assert given[0, 0, :down, :across].min() == 1
    assert given[0, 0, down:].max(initial=0) == given[0, 0, :, across:].max(initial=0) == 0


@pytest.fixture(scope="module")
def detector():
    pytest.importorskip("onnxruntime", reason="the extra nudity is not installed: `make test` installs it")
    return load_detector()


def crops(side=400, step=380):
    """Parts of the gallery, each about one of its pictures."""
    gallery = np.asarray(Image.open(GALLERY).convert("RGB"))
    for top in range(0, gallery.shape[0] - side, step):
        for left in range(0, gallery.shape[1] - side, step):
            yield np.ascontiguousarray(gallery[top : top + side, left : left + side])


def test_the_real_weights_see_figures_and_no_nudity_in_the_gallery(detector):
    """Dressed figures: faces are found in many of them, exposed nudity in none, far from either threshold."""
    scores = [detector.scores(crop) for crop in crops()]
    assert set(detector.labels) == set(LABELS)
    assert max(one[label] for one in scores for label in EXPOSED) < 0.25
    assert sum(max(one["FACE_FEMALE"], one["FACE_MALE"]) > 0.5 for one in scores) >= 3


def test_small_figures_are_seen_in_large_pictures(detector):
    """A figure a third as high as a wide picture, which is seen at the larger of the two sizes alone."""
    best = max(crops(), key=lambda crop: detector.scores(crop)["FACE_FEMALE"])
    wide = np.full((768, 1344, 3), 120, np.uint8)
    wide[300:560, 600:860] = np.asarray(Image.fromarray(best).resize((260, 260)))
    assert detector.scores(wide)["FACE_FEMALE"] > 0.4


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 2048, 3), (3000, 40, 3)])
def test_pictures_of_any_size_are_looked_at(detector, shape):
    """No shape is too small or too long for the network."""
    assert max(detector.scores(np.zeros(shape, np.uint8)).values()) < 0.5


def test_a_broken_file_is_a_configuration_error(detector, tmp_path):
    """No network, an empty file, none at all: the start fails with the file's name."""
    for name, content in (("text.onnx", b"no network"), ("empty.onnx", b"")):
        (tmp_path / name).write_bytes(content)
    for name in ("text.onnx", "empty.onnx", "missing.onnx"):
        with pytest.raises(ConfigurationError, match=name):
            NudityDetector(tmp_path / name)


def test_a_worker_looks_at_its_pictures(detector, make_resources):
    """Configured, it is opened once, and a harmless picture is published after its look."""
    resources = make_resources('[review]\nreviewers = ["rules", "nudity"]\n')
    job = make_job()
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    with resources.database.read() as connection:
        assert jobs.find(connection, job.id).state is State.COMPLETED


def test_settings_know_who_sees_pictures(detector, tmp_path):
    """`sees_pictures` of the settings, which API and command line ask, agrees with each reviewer's own word."""
    (tmp_path / "imgen.toml").write_text('[review]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "eye"\n')
    loaded = settings.load(tmp_path, environ={})
    for name, module in REVIEWERS.items():
        reviewer = import_module(module).load(loaded)
        alone = loaded.review.model_copy(update={"reviewers": (name,)})
        assert alone.sees_pictures is reviewer.sees_pictures
        reviewer.close()
