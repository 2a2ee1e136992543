"""Pictures to recognize: the file that comes with a request, or an upload of the tenant as it was sent."""

from imgen.domain.errors import InvalidField, ObjectNotFound
from imgen.domain.ids import is_upload_id
from imgen.domain.principal import Principal
from imgen.domain.request import PictureSource, ReadPicture
from imgen.services.core import Core
from imgen.services.inputs import find_upload
from imgen.threads import OBJECTS


async def reader(core: Core, principal: Principal, source: PictureSource) -> ReadPicture:
    """Returns the function that reads a picture, in a thread.

    Raises:
        InvalidField: `image` is the id of no upload that the tenant has.
        Retryable: the database or the object store does not answer.
    """
    if not isinstance(source, str):
        return source
    upload = await find_upload(core, principal, source) if is_upload_id(source) else None
    if upload is None:
        raise InvalidField("image")
    try:
        # One without credentials is kept as the gate made it: its pixels are those that were sent
        body = await OBJECTS.run(core.objects.get, upload.original_key or upload.key)
    except ObjectNotFound as exc:
        raise InvalidField("image") from exc
    return lambda: body
