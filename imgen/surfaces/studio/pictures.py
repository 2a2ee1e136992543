"""Pictures in the bodies of Studio's requests."""

from functools import partial

from imgen.domain.data_uri import as_data_uri, decode_data_uri
from imgen.domain.errors import InvalidField
from imgen.domain.request import ReadPicture
from imgen.services.inputs import MAX_INLINE_BYTES

FIELD = "imageBase64"
REFUSAL = (
    f"{FIELD} is no picture that can be used: PNG, JPEG or WebP of at most {MAX_INLINE_BYTES // 1024**2} MiB, in base64"
)


def picture_of(text: str) -> ReadPicture:
    """Returns the reader of a picture in base64, bare or as a data URI; it raises InvalidField."""
    return partial(decode_data_uri, as_data_uri(text), field="image", max_bytes=MAX_INLINE_BYTES)


def in_words_of_the_wire(error: InvalidField) -> InvalidField:
    """Returns the core's error of a picture that came in base64 with the name that the field has here."""
    return InvalidField(FIELD, error.reason or REFUSAL)
