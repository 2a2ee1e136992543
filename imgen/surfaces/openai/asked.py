"""Request for pictures, read and decoded; its files are closed with it."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import Receive, Scope

from imgen.asgi.endpoint import read_body
from imgen.domain.errors import InvalidField
from imgen.domain.idempotency import json_fingerprint
from imgen.services.core import Core
from imgen.surfaces.openai.pictures import SentPictures
from imgen.surfaces.openai.wire import OpenAIGenerate, OpenAIPictures
from imgen.surfaces.strict import decode

GENERATIONS = "/v1/images/generations"


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


def words(prompt: str) -> str:
    """Returns a prompt without the space around it.

    Raises:
        InvalidField: nothing is left.
    """
    if not (stripped := prompt.strip()):
        raise InvalidField("prompt", "prompt is required")
    return stripped
