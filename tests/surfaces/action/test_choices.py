"""Requests of the Action API on their way to the core."""

import base64

import pytest

from imgen.domain.errors import InvalidField
from imgen.services.uploads import MAX_LOGO_BYTES
from imgen.surfaces.action.choices import request_of
from imgen.surfaces.action.wire import Generate


def uri(body: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(body).decode()}"


def test_a_picture_is_decoded_when_it_is_read():
    """The core gets bytes, never a data URI, and a broken one fails only when something reads it."""
    assert request_of(Generate(wm_image=uri(b"picture"))).wm_image() == b"picture"
    for broken in ("nonsense", "data:image/png;base64,@@@", uri(bytes(MAX_LOGO_BYTES + 1))):
        request = request_of(Generate(wm_image=broken))
        with pytest.raises(InvalidField, match="^Invalid wm_image$"):
            request.wm_image()


@pytest.mark.parametrize("sent", [None, "", " \n"])
def test_a_blank_picture_is_none(sent):
    """Forms send empty fields."""
    assert request_of(Generate(wm_image=sent)).wm_image is None
