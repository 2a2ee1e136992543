"""The playground's form as a request, without a browser."""

import io

import pytest
from servers import event_loop
from starlette.datastructures import FormData, UploadFile

from imgen.domain.errors import InvalidField
from imgen.services.logos import MAX_LOGO_BYTES
from imgen.surfaces.web import playground_form
from imgen.surfaces.web.snippets import File


def form(body: bytes, **fields: str) -> FormData:
    return FormData({"prompt": "vase", "wm_file": UploadFile(io.BytesIO(body), filename="mark.png"), **fields})


def test_the_bytes_of_a_mark_reach_the_core_as_they_are():
    """A file is no text on its way: the core reads the very bytes, with their place and size beside them."""
    request = event_loop.run(playground_form.request_of(form(b"\x89PNG", wm_position="center", wm_scale="30")))
    assert (request.wm_image(), request.wm_position, request.wm_scale) == (b"\x89PNG", "center", 30)
    assert event_loop.run(playground_form.request_of(FormData({"prompt": "vase", "wm_scale": "30"}))).wm_scale is None


def test_a_source_and_its_mask_reach_the_core():
    """The source as its id; strength is a share, and a mask the bytes of its data URI. Without a source neither counts."""
    given = {"prompt": "vase", "image_strength": "35", "mask": "data:image/png;base64,iVBORw==", "upscale": "4"}
    request = event_loop.run(playground_form.request_of(FormData(given | {"image": "up_1", "image_name": "a.webp"})))
    assert (request.image, request.mask(), request.image_strength) == ("up_1", b"\x89PNG", 0.35)
    assert request.upscale == 4
    request = event_loop.run(playground_form.request_of(FormData(given)))
    assert (request.image, request.mask, request.image_strength) == (None, None, None)


def test_code_names_source_and_mask_as_files():
    """Their bytes are not needed for it, and the id of the upload would not be of the key's tenant for long."""
    fields = playground_form.fields_of(
        FormData(
            {"prompt": "vase", "image": "up_1", "image_name": "a.webp", "mask_name": "mask.png", "image_strength": "60"}
        )
    )
    assert (fields["image"], fields["mask"], fields["image_strength"]) == (
        File(name="a.webp"),
        File(name="mask.png"),
        0.6,
    )


@pytest.mark.parametrize("body", [b"", bytes(MAX_LOGO_BYTES + 1)])
def test_a_mark_that_cannot_be_one_is_refused(body):
    """Nothing in the file, or too much."""
    with pytest.raises(InvalidField, match="^Invalid wm_image$"):
        event_loop.run(playground_form.request_of(form(body)))
