"""The gate for pictures from outside: a listed picture is found in every form in which it could be laid over another."""

import contextlib
import json

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps
from servers.chat import completion, start_chat

from imgen import configuration, settings
from imgen.provenance.fingerprint import fingerprint
from imgen.provenance.outside import changed_part, faces
from workers.reviewers import ReviewInput, open_reviewers

SAFE = completion(json.dumps({"safe": True, "rules": [], "reason": "fine"}))
UNSAFE = completion(json.dumps({"safe": False, "rules": ["hate"], "reason": "a symbol"}))


def drawn(seed, size=(480, 320)):
    """A picture with enough in it for PDQ, RGBA."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).convert("RGBA")


LISTED = drawn(1)


def clear(size):
    return Image.new("RGBA", size, (0, 0, 0, 0))


def on(ground, picture=LISTED, at=(90, 60)):
    whole = ground.copy()
    whole.alpha_composite(picture, at)
    return whole


def faint(picture, alpha):
    picture = picture.copy()
    picture.putalpha(alpha)
    return picture


def greyed(picture):
    """All of it within 30 levels of grey."""
    return picture.convert("L").point(lambda level: 110 + level // 9).convert("RGBA")


def stencil(picture, colour):
    """One colour, the picture in its transparency alone."""
    light = picture.convert("L")
    whole = Image.new("RGBA", picture.size, colour)
    whole.putalpha(light if colour[0] else ImageOps.invert(light))
    return whole


def dotted(picture):
    """A wide empty margin with a dot in each corner."""
    whole = on(clear((900, 700)), picture, (300, 200))
    for corner in ((0, 0), (899, 0), (0, 699), (899, 699)):
        whole.putpixel(corner, (255, 0, 0, 255))
    return whole


HIDDEN = {
    "as it is": (LISTED, 0),
    "smaller": (LISTED.resize((150, 100)), 0),
    "saved anew": (LISTED.convert("RGB").resize((700, 470)).convert("RGBA"), 0),
    "mirrored": (ImageOps.mirror(LISTED), 0),
    "turned by a quarter": (LISTED.transpose(Image.Transpose.ROTATE_90), 0),
    "turned by a quarter, to be turned back": (LISTED.transpose(Image.Transpose.ROTATE_90), 90),
    "turned by 30 degrees, to be turned back": (LISTED.rotate(30, Image.Resampling.BICUBIC, expand=True), 30),
    "half transparent": (faint(LISTED, 120), 0),
    "hardly there": (faint(LISTED, 6), 0),
    "hardly any contrast": (greyed(LISTED), 0),
    "white in its transparency": (stencil(LISTED, (255, 255, 255, 255)), 0),
    "black in its transparency": (stencil(LISTED, (0, 0, 0, 255)), 0),
    "inside an empty margin": (on(clear((900, 700))), 0),
    "inside an empty margin with dots": (dotted(LISTED), 0),
    "inside a white frame": (on(Image.new("RGBA", (700, 500), "white")), 0),
    "inside a black frame": (on(Image.new("RGBA", (700, 500), "black")), 0),
}


def logos():
    """Harmless logos of the kinds that people have."""
    text = clear((600, 200))
    ImageDraw.Draw(text).text((20, 20), "ACME & Sons", fill=(20, 60, 160, 255), font_size=90)
    badge = clear((400, 400))
    ImageDraw.Draw(badge).ellipse((20, 20, 380, 380), fill=(200, 30, 30, 255), outline=(255, 255, 255, 200), width=12)
    return {
        "text": text,
        "badge": badge,
        "one colour": Image.new("RGBA", (120, 60), (0, 120, 80, 255)),
        "nothing at all": clear((64, 64)),
        "one pixel": Image.new("RGBA", (1, 1), "white"),
        "another picture": drawn(2),
        "another picture, half transparent": faint(drawn(3), 100),
    }


@pytest.fixture
def open_gate(tmp_path):
    """Opens the gate of a chain of some reviewers, with LISTED on a match list; gives it and the list's path."""
    opened = contextlib.ExitStack()
    (tmp_path / "matches").mkdir()
    path = tmp_path / "matches" / "list.csv"
    path.write_text(fingerprint(np.asarray(LISTED.convert("RGB"))).hash)

    def make(reviewers=("rules",), base_url=""):
        (tmp_path / "imgen.toml").write_text(
            f'[review]\nreviewers = {json.dumps(reviewers)}\nbase_url = "{base_url}"\nmodel = "eye"\n'
        )
        loaded = settings.load(tmp_path, environ={})
        chain = opened.enter_context(contextlib.closing(open_reviewers(loaded)))
        rulesets = configuration.load_rulesets(loaded)

        def gate(image, rotation=0, ruleset="default"):
            subject = ReviewInput(ruleset=rulesets[ruleset], parts={"prompt": "red coat"})
            return chain.review_outside(subject, np.asarray(image), rotation=rotation)

        return gate, path

    with opened:
        yield make


@pytest.mark.parametrize("how", HIDDEN)
def test_a_listed_picture_is_found_however_it_is_hidden(open_gate, how):
    """Scaled, mirrored, turned, transparent, framed or faint: the floor is met, under every ruleset."""
    gate, _ = open_gate()
    for ruleset in ("default", "strict", "art"):
        verdict = gate(*HIDDEN[how], ruleset)
        assert (verdict.safe, verdict.floor, verdict.release, verdict.codes) == (False, True, False, ("listed",))


@pytest.mark.parametrize("name", logos())
def test_harmless_logos_pass(open_gate, name):
    """A list and no reviewer of pictures: a logo passes turned or not, however plain it is."""
    gate, _ = open_gate()
    for rotation in (0, 90, 17):
        verdict = gate(logos()[name], rotation)
        assert verdict.safe
        assert not verdict.flags


def test_sources_and_masks_have_no_transparency_and_pass_the_same_gate(open_gate):
    """Three channels are a picture as well."""
    gate, _ = open_gate()
    assert gate(LISTED.convert("RGB")).floor
    assert gate(drawn(2).convert("RGB")).safe


def test_a_picture_that_is_listed_later_is_found_the_next_time(open_gate):
    """A logo that passed is remembered for as long as the lists stay as they are."""
    gate, path = open_gate()
    logo = drawn(2)
    assert gate(logo).safe
    assert gate(logo).safe
    path.write_text(f"{path.read_text()}\n{fingerprint(np.asarray(logo.convert('RGB'))).hash}\n")
    assert gate(logo).floor


def test_reviewers_of_pictures_look_at_it_once(open_gate):
    """A harmless logo is looked at the first time, a transparent one over white and over black; a refused one each time."""
    with start_chat() as chat:
        gate, _ = open_gate(("rules", "vision"), chat.base_url)
        chat.will(always=SAFE)
        assert gate(drawn(2)).safe
        assert gate(drawn(2)).safe
        assert len(chat.asked) == 1
        assert gate(logos()["text"]).safe
        assert len(chat.asked) == 3
        assert gate(drawn(2), ruleset="strict").safe  # other rules have not passed it
        assert len(chat.asked) == 4
        chat.will(always=UNSAFE)
        for _ in range(2):
            asked = len(chat.asked)
            verdict = gate(drawn(4))
            assert (verdict.safe, verdict.codes) == (False, ("hate",))
            assert len(chat.asked) == asked + 1


def test_faces_show_whatever_there_is():
    """White on nothing is seen over black, black over white; an opaque picture has one face."""
    assert len(faces(np.asarray(LISTED))) == 1
    for colour in ("white", "black"):
        logo = clear((90, 60))
        ImageDraw.Draw(logo).rectangle((10, 10, 50, 50), fill=colour)
        assert max(np.ptp(face) for face in faces(np.asarray(logo))) == 255


def test_the_changed_part_is_as_small_as_it_can_be():
    """The box round all changed pixels; nothing changed, no part."""
    before = np.zeros((40, 60, 3), np.uint8)
    after = before.copy()
    assert changed_part(before, after) is None
    after[10:20, 30:45] = 9
    assert changed_part(before, after).shape == (10, 15, 3)
