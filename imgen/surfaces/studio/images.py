"""`POST /api/v1/images`: keeps a source, which is the body or in its JSON, for later requests."""

from typing import IO

from imgen.asgi.answer_headers import note_replay
from imgen.asgi.endpoint import Answer, header, json_answer, spool_body
from imgen.domain.errors import InvalidField, TooLarge
from imgen.domain.idempotency import Once, file_fingerprint
from imgen.domain.principal import GENERATE
from imgen.domain.request import ReadPicture
from imgen.services import uploads
from imgen.surfaces.call import Call
from imgen.surfaces.strict import decode
from imgen.surfaces.studio.answers import StudioImage
from imgen.surfaces.studio.pictures import in_words_of_the_wire, picture_of
from imgen.surfaces.studio.wire import StudioUpload
from imgen.threads import FILES

PATH = "/api/v1/images"
FILE_TYPES = ("image/png", "image/jpeg", "image/webp", "application/octet-stream")


async def keep(call: Call) -> Answer:
    """Keeps a picture. The caller comes first: a stranger's megabytes are not read."""
    principal = await call.principal(needs=GENERATE)
    key, once = call.idempotency_key(), None
    with await spool_body(call.scope, call.receive, max_bytes=uploads.MAX_BYTES) as body:
        if key:
            once = Once(route=PATH, key=key, fingerprint=await FILES.run(file_fingerprint, body))
            body.seek(0)
        is_json = _is_json(call, body)
        read = _in_json(call, body) if is_json else body.read
        try:
            kept = await uploads.upload(call.core, principal, read, once=once)
        except InvalidField as exc:
            if is_json:
                raise in_words_of_the_wire(exc) from exc
            raise InvalidField("image", "The body is no picture that can be used: PNG, JPEG or WebP") from exc
    if kept.is_replayed:
        note_replay()
    upload = kept.upload
    return json_answer(StudioImage(image_key=upload.id, width=upload.width, height=upload.height))


def _is_json(call: Call, body: IO[bytes]) -> bool:
    """Returns whether a body is JSON by its type, or by its beginning, which no picture has: tools send types of their own."""
    begins_with = body.read(1)
    body.seek(0)
    return begins_with == b"{" or header(call.scope, b"content-type").partition(";")[0].strip().lower().endswith("json")


def _in_json(call: Call, body: IO[bytes]) -> ReadPicture:
    """Returns the reader of the picture in a JSON body.

    Raises:
        TooLarge: the body is over the limit of JSON.
        InvalidJson, InvalidField: see strict.decode.
    """
    max_bytes = int(call.core.settings.http.max_body_mib * 1024 * 1024)
    text = body.read(max_bytes + 1)
    if len(text) > max_bytes:
        raise TooLarge
    return picture_of(decode(text, StudioUpload).image_base64)
