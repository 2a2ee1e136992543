"""The playground's form as a request, without a browser."""

import io

import pytest
from servers import event_loop
from starlette.datastructures import FormData, UploadFile

from imgen.domain.errors import InvalidField
from imgen.services.logos import MAX_LOGO_BYTES
from imgen.surfaces.web import playground_form


def form(body: bytes, **fields: str) -> FormData:
    return FormData({"prompt": "vase", "wm_file": UploadFile(io.BytesIO(body), filename="mark.png"), **fields})


def test_the_bytes_of_a_mark_reach_the_core_as_they_are():
    """A file is no text on its way: the core reads the very bytes, with their place and size beside them."""
    request = event_loop.run(playground_form.request_of(form(b"\x89PNG", wm_position="center", wm_scale="30")))
    assert (request.wm_image(), request.wm_position, request.wm_scale) == (b"\x89PNG", "center", 30)
    assert event_loop.run(playground_form.request_of(FormData({"prompt": "vase", "wm_scale": "30"}))).wm_scale is None


@pytest.mark.parametrize("body", [b"", bytes(MAX_LOGO_BYTES + 1)])
def test_a_mark_that_cannot_be_one_is_refused(body):
    """Nothing in the file, or too much."""
    with pytest.raises(InvalidField, match="^Invalid wm_image$"):
        event_loop.run(playground_form.request_of(form(body)))
