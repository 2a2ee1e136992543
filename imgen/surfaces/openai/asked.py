"""Request for pictures, read and decoded; its files are closed with it."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace

from msgspec import structs
from starlette.types import Receive, Scope

from imgen.asgi.endpoint import read_body
from imgen.asgi.multipart import Form, is_form, read_form
from imgen.domain.errors import InvalidField
from imgen.domain.idempotency import json_fingerprint
from imgen.services.core import Core
from imgen.surfaces.openai import pictures
from imgen.surfaces.openai.pictures import SentPictures
from imgen.surfaces.openai.wire import OpenAIEdit, OpenAIGenerate, OpenAIJsonEdit, OpenAIPictures, OpenAIVariations
from imgen.surfaces.strict import convert, decode

GENERATIONS, EDITS, VARIATIONS = "/v1/images/generations", "/v1/images/edits", "/v1/images/variations"
MASKED_STRENGTH = 1.0
"""Default strength with a mask: nothing of the source is left where it is redrawn."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Request of one of the routes."""

    route: str
    sent: OpenAIPictures
    prompt: str | None
    """None: the route has none."""
    body_digest: str
    """Digest of the body's meaning: of its fields and files, not of their order or their separators."""
    pictures: SentPictures = field(default_factory=SentPictures)
    strength: float | None = None

    @property
    def fingerprint(self) -> str:
        """Digest of route and body: that of a retry is the same."""
        return hashlib.sha256(f"{self.route}\n{self.body_digest}".encode()).hexdigest()

    def without_files(self) -> "Asked":
        """Returns the request as it waits for its jobs: of its pictures it keeps the sizes, not the megabytes for minutes."""
        return replace(self, pictures=SentPictures(sizes=self.pictures.sizes))


Read = Callable[[Core, Scope, Receive], AbstractAsyncContextManager[Asked]]


def json_bytes(core: Core) -> int:
    """Returns the longest JSON body."""
    return int(core.settings.http.max_body_mib * 1024 * 1024)


@asynccontextmanager
async def read_generation(core: Core, scope: Scope, receive: Receive) -> AsyncIterator[Asked]:
    """Reads a request for pictures of a prompt.

    Raises:
        InvalidJson, InvalidField: the body is none.
        TooLarge: it is too long.
    """
    body = await read_body(scope, receive, max_bytes=json_bytes(core))
    sent = decode(body, OpenAIGenerate)
    yield Asked(route=GENERATIONS, sent=sent, prompt=words(sent.prompt), body_digest=json_fingerprint(body))


@asynccontextmanager
async def read_edit(core: Core, scope: Scope, receive: Receive) -> AsyncIterator[Asked]:
    """Reads a request to change a picture: a form with files, or JSON with data URIs.

    Raises:
        Invalid, InvalidJson, InvalidField: the body is none.
        TooLarge: it is too long.
        Unavailable: the disk is full.
    """
    if is_form(scope):
        with await read_form(scope, receive, max_bytes=_form_bytes(core)) as form:
            yield _edit(convert(_texts(form), OpenAIEdit), form.digest, await pictures.of_form(form))
        return
    body = await read_body(scope, receive, max_bytes=json_bytes(core))
    sent = decode(body, OpenAIJsonEdit)
    bare = structs.replace(sent, images=(), mask=None)
    yield _edit(bare, json_fingerprint(body), await pictures.of_json(sent))


@asynccontextmanager
async def read_variation(core: Core, scope: Scope, receive: Receive) -> AsyncIterator[Asked]:
    """Reads a request for variations of a picture: a form with a file.

    Raises:
        Invalid, InvalidField, TooLarge, Unavailable: as for `read_edit`.
    """
    with await read_form(scope, receive, max_bytes=_form_bytes(core)) as form:
        sent = convert(_texts(form), OpenAIVariations)
        yield Asked(
            route=VARIATIONS,
            sent=sent,
            prompt=None,
            body_digest=form.digest,
            pictures=replace(await pictures.of_form(form), mask=None),
            strength=sent.strength,
        )


def _edit(sent: OpenAIEdit, body_digest: str, given: SentPictures) -> Asked:
    masked = None if given.mask is None else MASKED_STRENGTH
    return Asked(
        route=EDITS,
        sent=sent,
        prompt=words(sent.prompt),
        body_digest=body_digest,
        pictures=given,
        strength=masked if sent.strength is None else sent.strength,
    )


def _form_bytes(core: Core) -> int:
    return int(core.settings.openai.max_upload_mib * 1024 * 1024)


def _texts(form: Form) -> dict[str, str]:
    """Returns the fields of a form; an empty one counts as left out, apart from the prompt."""
    return {name: text for name, text in form.texts.items() if text or name == "prompt"}


def words(prompt: str) -> str:
    """Returns a prompt without the space around it.

    Raises:
        InvalidField: nothing is left.
    """
    if not (stripped := prompt.strip()):
        raise InvalidField("prompt", "prompt is required")
    return stripped
