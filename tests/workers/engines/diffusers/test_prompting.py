"""Embeddings of long and weighted prompts: exact, token by token."""

import pytest
import torch

from workers.engines import EngineContext, load
from workers.engines.diffusers.prompting import LONGEST_PROMPT, MOST_WINDOWS, conditioning

WINDOW = 77
NO_T5 = 256
"""Tokens that SD3 fills with zeros where T5 is left out."""


@pytest.fixture(scope="module")
def pipes(entry, models):
    """The pipelines, by name."""
    names = ("sd15", "sdxl", "sd3", "flux", "starter")
    return {name: load(entry(name), EngineContext(folders=(models,)))._pipe for name in names}


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


def embeds(pipe, prompt, **options):
    """(tokens, width) as the pipeline itself makes them."""
    known = {"device": pipe.device, "num_images_per_prompt": 1, "do_classifier_free_guidance": False} | options
    if type(pipe).__name__ == "FluxPipeline":
        return pipe.encode_prompt(prompt, prompt)[0][0]
    more = {"prompt_2": None, "prompt_3": None} if type(pipe).__name__ == "StableDiffusion3Pipeline" else {}
    return pipe.encode_prompt(prompt, **more, **known)[0][0]


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd3", "flux", "starter"])
def test_short_prompts_are_the_pipelines_own(pipes, name):
    """A short prompt without weights gets the embeddings that the pipeline makes of it; escapes and weights of 1 are plain text."""
    said = conditioning(pipes[name], r"a \(red\) coat", "(ugly:1)", {})
    assert torch.equal(said["prompt_embeds"][0], embeds(pipes[name], "a (red) coat"))
    if name == "flux":
        assert "negative_prompt_embeds" not in said, "no use for it without true_cfg_scale"
        said = conditioning(pipes[name], "a coat", "(ugly:1)", {"true_cfg_scale": 2.0})
    assert torch.equal(said["negative_prompt_embeds"][0], embeds(pipes[name], "ugly"))


def test_unknown_pipelines_get_plain_text():
    """A pipeline that no family names gets its prompts without weight syntax."""
    said = conditioning(object(), "a (red:1.2) coat", "(ugly:2)", {})
    assert said == {"prompt": "a red coat", "negative_prompt": "ugly"}


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd3", "flux", "starter"])
def test_weights_move_their_own_tokens(pipes, name):
    """A weighted token moves away from the empty prompt's by its weight; every other token is untouched."""
    pipe = pipes[name]
    prompt, weighted = "a red coat", "a (red:1.5) coat"
    ours = conditioning(pipe, weighted, "", {})["prompt_embeds"][0]
    full, empty = embeds(pipe, prompt), embeds(pipe, "")
    moved = {index for index in range(len(full)) if not torch.equal(ours[index], full[index])}
    start = 0 if name == "flux" else 2  # T5 writes no marker before the text
    expected = {start + 1} if name == "flux" else {start}
    if name == "sd3":
        expected |= {WINDOW + 1}
    assert moved == expected
    for index in moved:
        assert torch.allclose(ours[index], empty[index] + 1.5 * (full[index] - empty[index]), atol=1e-5)


def test_weight_zero_is_the_empty_prompt(pipes):
    """A weight of 0 leaves of a word what the empty prompt has in its place."""
    ours = conditioning(pipes["sd15"], "a (red:0) coat", "", {})["prompt_embeds"][0]
    assert torch.equal(ours[2], embeds(pipes["sd15"], "")[2])


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_windows(pipes, name):
    """A long prompt is the row of its pieces, each encoded by itself and cut after a comma."""
    first = ", ".join(["a red coat"] * 18) + ","  # 18 × 4 = 72 tokens
    second = "on a beach at night with a lamp"
    ours = conditioning(pipes[name], f"{first} {second}", "", {})
    expected = torch.cat([embeds(pipes[name], first), embeds(pipes[name], second)])
    assert torch.equal(ours["prompt_embeds"][0], expected)


def test_windows_of_sd3(pipes):
    """SD3's windows go side by side for CLIP, while T5 reads the whole prompt once."""
    first = ", ".join(["a red coat"] * 18) + ","
    second = "on a beach at night with a lamp"
    pipe = pipes["sd3"]
    ours = conditioning(pipe, f"{first} {second}", "", {})["prompt_embeds"][0]
    assert torch.equal(ours[:WINDOW], embeds(pipe, first)[:WINDOW])
    assert torch.equal(ours[WINDOW : 2 * WINDOW], embeds(pipe, second)[:WINDOW])
    assert torch.equal(ours[2 * WINDOW :], embeds(pipe, f"{first} {second}")[WINDOW:])


def test_weights_in_later_windows(pipes):
    """A weight counts in whichever window its word falls."""
    first = ", ".join(["a red coat"] * 18) + ","
    plain, weighted = (
        conditioning(pipes["sd15"], f"{first} on a {beach} at night with a lamp", "", {})["prompt_embeds"][0]
        for beach in ("beach", "(beach:2)")
    )
    assert [i for i in range(2 * WINDOW) if not torch.equal(plain[i], weighted[i])] == [WINDOW + 3]


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd3", "starter"])
def test_negatives_have_the_same_length(pipes, name):
    """Whichever prompt is longer, both sides end up with as many tokens; a missing negative is the pipeline's own nothing."""
    long = ", ".join(["a red coat"] * 40)
    tail = {"sd3": NO_T5, "starter": NO_T5}.get(name, 0)
    for positive, negative in ((long, "ugly"), ("a cat", long), (long, ""), ("a (cat:1.2)", "")):
        said = conditioning(pipes[name], positive, negative, {})
        windows = 1 if positive == "a (cat:1.2)" else 3
        assert said["prompt_embeds"].shape[1] == windows * WINDOW + tail
        assert said["negative_prompt_embeds"].shape == said["prompt_embeds"].shape
    nothing = conditioning(pipes[name], "a (cat:1.2)", "", {})["negative_prompt_embeds"]
    if name == "sdxl":  # trained to take zeros for no negative prompt
        assert not nothing.any()
    else:
        assert torch.equal(nothing[0], embeds(pipes[name], ""))


def test_longest_prompt(pipes):
    """A prompt of any length gives at most eight windows, in bounded time."""
    said = conditioning(pipes["sd15"], "(red coat, :1.1)" * LONGEST_PROMPT, "x" * 10 * LONGEST_PROMPT, {})
    assert said["prompt_embeds"].shape[1] == MOST_WINDOWS * WINDOW


def test_max_sequence_length(pipes):
    """Arguments of the call that decide how text is encoded decide it here too."""
    said = conditioning(pipes["starter"], "a (cat:1.2)", "", {"max_sequence_length": 5, "true_cfg_scale": 3.0})
    assert said["prompt_embeds"].shape[1] == WINDOW + 5


def test_clip_skip(pipes):
    """`clip_skip` acts on the positive prompt alone, as in the pipeline's own call."""
    skipped = conditioning(pipes["sd15"], "a (cat:1.2)", "hat", {"clip_skip": 1})
    plain = conditioning(pipes["sd15"], "a (cat:1.2)", "hat", {})
    assert not torch.equal(skipped["prompt_embeds"], plain["prompt_embeds"])
    assert torch.equal(skipped["negative_prompt_embeds"], plain["negative_prompt_embeds"])
