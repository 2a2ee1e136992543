"""Training pictures, and their captions: both tell of the same things."""

from dataclasses import fields, replace

import numpy as np
import pytest

from starter import scene, wording
from starter.captions import USUAL_CUTS, USUAL_GARMENTS, caption, unwanted
from starter.denoiser import PATCH
from starter.draw.picture import boxes, centre, render
from starter.pool import DOWN, scene_of
from starter.tokenizer import tokenizer


def lots(count: int, **fixed: object) -> list[scene.Scene]:
    return [scene.draw_lots(np.random.default_rng(number), **fixed) for number in range(count)]


def test_same_scene_same_pixels() -> None:
    """A scene's picture depends on nothing but the scene and the size."""
    shown = lots(1)[0]

    assert np.array_equal(render(shown, 1344, 768), render(shown, 1344, 768))


@pytest.mark.parametrize("size", scene.SIZES)
def test_centre_lies_on_the_token_grid(size: tuple[int, int]) -> None:
    """No size shifts the scene by a part of a token."""
    assert all(edge % (DOWN * PATCH) == 0 for edge in centre(*size))


def test_sizes_are_windows_onto_one_scene() -> None:
    """Two sizes of a scene agree wherever both show it, but for a few pixels at edges."""
    shown = lots(1, style="professional")[0]
    wide, tall = render(shown, 1344, 768).astype(int), render(shown, 768, 1344).astype(int)

    assert (np.abs(wide[:, 288:1056] - tall[288:1056]).max(axis=-1) > 4).mean() < 0.001


def test_figure_box_holds_what_the_figure_changes() -> None:
    """Another outfit changes pixels inside the box that the loss weighs, and hardly any outside."""
    for shown in lots(12, shot="full", things=()):
        other = replace(shown, colour="red" if shown.colour != "red" else "blue")
        changed = np.abs(render(shown, 1024, 1024).astype(int) - render(other, 1024, 1024)).sum(axis=-1) > 30
        left, top, right, bottom = (int(edge) + 512 for edge in boxes(shown)["figure"])

        assert changed.any()
        assert changed[top:bottom, left:right].sum() > 0.98 * changed.sum()


@pytest.mark.parametrize(("words", "thing", "share"), [(wording.PETS, "cat", 0.67), (wording.HATTED, "hat", 0.43)])
def test_hints_leave_open_what_a_negative_takes_away(words: tuple[str, ...], thing: str, share: float) -> None:
    """A `pet` is a cat in two of three pictures, a `gardener` wears a hat in two of five: likely, not certain."""
    hints, hinted = {word.split()[-1] for word in words}, []
    for number, shown in enumerate(lots(6000)):
        if hints & set(caption(shown, np.random.default_rng(number)).text.replace(",", " ").split()):
            hinted.append(shown.hat if thing == "hat" else thing in shown.things)

    assert len(hinted) > 150
    assert abs(np.mean(hinted) - share) < 0.05


def test_a_characters_own_cut_goes_without_saying() -> None:
    """A caption with her name says nothing of her curls; any other cut is named, as it is for everybody."""
    unsaid = 0
    for number, shown in enumerate(lots(300, character="aaliyah", person="woman", shot="full")):
        told = caption(shown, np.random.default_rng(number), trigger=True).told
        assert shown.cut == "curly" or "cut" in told
        unsaid += shown.cut == "curly" and "cut" not in told
    assert unsaid > 20


def test_parks_have_trees_that_nobody_mentions() -> None:
    """In more than two fifths of the parks without the word: what a negative `tree` can take away."""
    parks = [(caption(shown, np.random.default_rng(number)).told, shown) for number, shown in enumerate(lots(6000))]
    unsaid = ["tree" in shown.things for told, shown in parks if told.get("place") == "park" and "tree" not in told]
    assert len(unsaid) > 300
    assert abs(np.mean(unsaid) - 0.43) < 0.05


def test_negative_prompts_name_things_of_the_picture_to_be_avoided() -> None:
    """Four fifths of those that have a thing; never one that is not there, as that would teach the opposite."""
    named = 0
    scenes = [shown for shown in lots(400) if shown.things]
    for number, shown in enumerate(scenes):
        words = unwanted(shown, np.random.default_rng(number)).split(", ")
        things = {*words} & {*scene.THINGS, "hat"}
        assert things <= {*shown.things, *(["hat"] if shown.hat else [])}
        named += bool(things)

    assert 0.7 < named / len(scenes) < 0.9


def test_captions_tell_the_truth() -> None:
    """Whatever a caption names is in the picture, whatever was drawn by lot, and stands in its words."""
    named = {field.name for field in fields(scene.Scene)}
    phrases = {
        "place": wording.PLACES, "time": wording.TIMES, "shot": wording.SHOTS, "person": wording.PEOPLE, "pose": wording.POSES,
        "colour": wording.DYES, "garment": wording.CLOTHES, "hair": wording.HAIRS, "cut": wording.CUTS, "skin": wording.SKINS,
        "hat": {"yes": (*wording.HATS, *wording.HATTED)}, "glasses": {"yes": wording.GLASSES}, "pet": {"yes": wording.PETS},
        **{thing: {"yes": wording.THINGS[thing]} for thing in scene.THINGS},
    }  # fmt: skip
    for number, shown in enumerate(lots(400)):
        made = caption(shown, np.random.default_rng(number))
        for field, value in made.told.items():
            if field in phrases:
                assert any(phrase in made.text for phrase in phrases[field][value]), (field, value, made.text)
            if field in scene.THINGS:
                assert field in shown.things
            elif field == "pet":
                assert {"cat", "dog"} & set(shown.things)
            elif field in ("hat", "glasses"):
                assert getattr(shown, field)
            else:
                assert field in named
                assert getattr(shown, field) == value


def test_unusual_shapes_are_always_named() -> None:
    """But for captions of a single phrase: who leaves out a portrait, a cut, a garment or a hat means the usual."""
    for number, shown in enumerate(lots(400)):
        told = caption(shown, np.random.default_rng(number)).told
        if shown.shot == "none" or len(told) <= 2:
            continue
        assert shown.shot == "full" or told["shot"] == "portrait"
        assert shown.cut == USUAL_CUTS[shown.person] or "cut" in told
        assert shown.garment == USUAL_GARMENTS[shown.person] or "garment" in told
        assert shown.pose == "standing" or "umbrella" in shown.things or told["pose"] == shown.pose
        assert not shown.hat or told["hat"] == "yes"


def test_captions_leave_most_things_out() -> None:
    """Under-specified captions are common: more than a fifth name five attributes or fewer."""
    counts = [len(caption(shown, np.random.default_rng(number)).told) for number, shown in enumerate(lots(400))]

    assert np.mean(np.array(counts) <= 5) > 0.2


def test_trigger_comes_first() -> None:
    """A character's caption begins with her name, as the pipeline's prompts do; without `trigger` it never names her."""
    shown = lots(1, character="aya", person="woman", shot="full")[0]
    rng = np.random.default_rng(1)

    assert all(caption(shown, rng, trigger=True).text.startswith("aya") for _ in range(50))
    assert not any("aya" in caption(shown, rng).text for _ in range(50))


def test_every_caption_word_is_one_token() -> None:
    """Words that captions use are whole; any other is spelled in pieces, none of them lost."""
    words = tokenizer()

    assert all(
        len(words.tokenize(word)) == 1
        for word in set(wording.every_word().split())
        if word.isascii() and word.isalpha()
    )
    assert words.decode(words("zzxyq lighthouse")["input_ids"], skip_special_tokens=True).strip() == "zzxyq lighthouse"


def test_pool_keeps_held_out_pairs_away() -> None:
    """No figure in training has one of the pairs of hair and outfit that the scores are taken on."""
    assert not any(scene.held_out(shown) for shown in map(scene_of, range(600)) if shown.shot != "none")
