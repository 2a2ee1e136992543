"""Match lists at the gate: a listed source or mask is refused, and nothing of it is stored; any other one is taken."""

import numpy as np
import pytest
from bombs import saved
from PIL import Image
from structlog.testing import capture_logs
from submitting import submit_repaired

from imgen.domain.errors import InvalidField, TooManyBlocked
from imgen.domain.request import GenerateRequest
from imgen.provenance.fingerprint import fingerprint
from imgen.services import uploads


def picture(seed):
    """Makes a picture with enough in it for PDQ."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), np.uint8)
    return Image.fromarray(small).resize((320, 256), Image.Resampling.BICUBIC)


def list_picture(core, image):
    folder = core.settings.data_dir / "matches"
    folder.mkdir(exist_ok=True)
    (folder / "list.csv").write_text(fingerprint(np.ascontiguousarray(np.asarray(image.convert("RGB")))).hash)


def file_of(image, file_format="PNG"):
    body = saved(image, file_format)
    return lambda: body


def make(core, principal, **fields):
    request = GenerateRequest(**{"prompt": "vase", "image": file_of(picture(2)), **fields})
    return submit_repaired(core, principal, request, surface="action")


def stored(core):
    return [one.key for one in core.objects.list("inputs/")]


@pytest.mark.parametrize("field", ["image", "mask", "upload"])
def test_listed_pictures_are_refused_and_leave_nothing(core, caller, field):
    """Inline, as a mask, as an upload; turned, framed, in any format; a list counts from the next picture."""

    async def send(opened, principal, image, file_format):
        if field == "upload":
            await uploads.upload(opened, principal, file_of(image, file_format))
        else:
            await make(opened, principal, **{field: file_of(image, file_format)})

    async def work(opened):
        listed = picture(1).convert("L") if field == "mask" else picture(1)
        await send(opened, caller(opened, "before"), listed, "PNG")
        list_picture(opened, listed)
        principal, before = caller(opened), stored(opened)
        framed = Image.new(listed.mode, (400, 400))
        framed.paste(listed, (40, 60))
        turned = listed.rotate(90, expand=True)
        for image, file_format in (
            (listed, "JPEG"),
            (turned, "WEBP"),
            (framed, "PNG"),
            (framed, "JPEG"),
            (framed, "WEBP"),
        ):
            with pytest.raises(InvalidField, match=f"^Invalid {'mask' if field == 'mask' else 'image'}$"):
                await send(opened, principal, image, file_format)
        assert stored(opened) == before
        await send(opened, principal, picture(3), "PNG")
        assert len(stored(opened)) > len(before)

    core(work, "[review]\nfree_blocks = 9\n")


def test_whoever_tries_listed_pictures_has_to_wait(core, caller):
    """As for blocked pictures."""

    async def work(opened):
        list_picture(opened, picture(1))
        principal = caller(opened)
        for _ in range(2):
            with pytest.raises(InvalidField):
                await make(opened, principal, image=file_of(picture(1)))
        with pytest.raises(TooManyBlocked):
            await make(opened, principal)

    core(work, "[review]\nfree_blocks = 1\nslow_down_s = 60\n")


def test_a_broken_list_refuses_nobody_at_the_gate(core, caller):
    """It is logged; workers do not start with it, so nothing is drawn unseen."""

    async def work(opened):
        list_picture(opened, picture(1))
        with (opened.settings.data_dir / "matches" / "list.csv").open("a") as file:
            file.write("\nno hash\n")
        with capture_logs() as logs:
            made = await make(opened, caller(opened), image=file_of(picture(1)))
        assert [given.role for given in made.job.recipe.diffusion.inputs] == ["source"]
        assert "pictures are not compared at the gate" in {line["event"] for line in logs}

    core(work)
