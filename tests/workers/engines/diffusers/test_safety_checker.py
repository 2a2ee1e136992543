"""A model's own safety checker is heard: a flagged picture is no picture."""

import diffusers
import pytest
import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from drawing import draw_one

from imgen.domain.errors import PictureFlagged
from workers.engines import EngineContext, load

# See test_engine.py.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SIDE = 32
NEVER, ALWAYS = 2.0, -2.0
"""Thresholds of a cosine."""


@pytest.fixture
def make_engine(models, entry, tmp_path):
    """Loads a tiny SD 1.5 folder with a safety checker that flags above a threshold."""

    def make(threshold):
        tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        vision = tower | {"image_size": SIDE, "patch_size": 16, "projection_dim": 16}
        checker = StableDiffusionSafetyChecker(
            transformers.CLIPConfig(text_config=tower, vision_config=vision, projection_dim=16)
        ).eval()
        with torch.no_grad():
            checker.concept_embeds_weights.fill_(threshold)
            checker.special_care_embeds_weights.fill_(NEVER)
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(
            models / "sd15",
            safety_checker=checker,
            feature_extractor=transformers.CLIPImageProcessor(
                size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
            ),
            local_files_only=True,
        )
        pipe.save_pretrained(tmp_path / "checked", safe_serialization=True)
        return load(entry("checked"), EngineContext(folders=(tmp_path,)))

    return make


def quietly(_done, _steps, _preview):
    pass


def test_a_flagged_picture_is_refused(make_engine, ask):
    """Not drawn black as diffusers draws it, and the engine goes on working."""
    engine = make_engine(ALWAYS)
    for _ in range(2):
        with pytest.raises(PictureFlagged):
            draw_one(engine, ask(), quietly)


def test_a_checker_that_flags_nothing_changes_nothing(make_engine, ask, entry, models):
    """The picture is the one that the model draws without a checker."""
    bare = load(entry("sd15"), EngineContext(folders=(models,)))
    assert (draw_one(make_engine(NEVER), ask(), quietly) == draw_one(bare, ask(), quietly)).all()


def test_an_operator_may_leave_it_out(make_engine, ask, entry, tmp_path):
    """`leave_out` is the operator's word; then nobody flags."""
    make_engine(ALWAYS)
    left_out = entry("checked", leave_out=("safety_checker", "feature_extractor"))
    assert draw_one(load(left_out, EngineContext(folders=(tmp_path,))), ask(), quietly).std() > 1
