"""Queries for manifests: by the value of a soft binding, and by a file."""

from collections.abc import Sequence
from contextlib import nullcontext

from starlette.types import Receive, Scope

from imgen.asgi.endpoint import Answer, header, json_answer, read_body, remote_ip
from imgen.domain.soft_binding import Algorithm
from imgen.services.core import Core
from imgen.services.recognition import resolution
from imgen.services.recognition.resolution import ManifestMatch, PublicTurns
from imgen.surfaces import strict
from imgen.surfaces.provenance import query
from imgen.surfaces.provenance.answers import SoftBindingMatch, SoftBindingMatches
from imgen.surfaces.provenance.asker import identify
from imgen.surfaces.provenance.failures import UnsupportedType
from imgen.surfaces.provenance.wire import SoftBindingQuery

MAX_QUERY_BODY_BYTES = 16 * 1024
PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/avif")
_UNKNOWN_TYPES = ("", "application/octet-stream")
"""Media types of clients that do not know their file's; its content decides in any case."""


async def by_binding(core: Core, scope: Scope, _receive: Receive) -> Answer:
    """Answers the manifests of pictures with the value in the query."""
    asker, sent = await identify(core, scope), query.parameters(scope)
    wanted, limit = query.binding(core, sent.get("alg"), sent.get("value")), query.max_results(sent)
    return _answer(await resolution.find_by_binding(core, wanted, scope=asker.scope, limit=limit))


async def by_large_binding(core: Core, scope: Scope, receive: Receive) -> Answer:
    """Answers the manifests of pictures with the value in the body."""
    asker, limit = await identify(core, scope), query.max_results(query.parameters(scope))
    body = await read_body(scope, receive, max_bytes=MAX_QUERY_BODY_BYTES)
    sent = strict.decode(body, SoftBindingQuery)
    wanted = query.binding(core, sent.alg, sent.value)
    return _answer(await resolution.find_by_binding(core, wanted, scope=asker.scope, limit=limit))


async def by_content(core: Core, turns: PublicTurns, scope: Scope, receive: Receive) -> Answer:
    """Answers the manifests of pictures that the body, a file, was made from."""
    asker, sent = await identify(core, scope), query.parameters(scope)
    limit, hints = query.max_results(sent), query.hints(core, sent)
    algorithms = [query.algorithm(core, sent["alg"])] if "alg" in sent else list(Algorithm)
    media_type = header(scope, b"content-type").partition(";")[0].strip().lower()
    if media_type not in (*PICTURE_TYPES, *_UNKNOWN_TYPES):
        raise UnsupportedType
    with nullcontext() if asker.has_key else turns.one(remote_ip(scope)):  # before the megabytes of a stranger are read
        max_bytes = int(core.settings.http.max_body_mib * 1024 * 1024)
        file = await read_body(scope, receive, max_bytes=max_bytes)
        found = await resolution.find_by_content(
            core, lambda: file, algorithms=algorithms, hints=hints, scope=asker.scope, limit=limit
        )
    return _answer(found)


def _answer(found: Sequence[ManifestMatch]) -> Answer:
    told = tuple(SoftBindingMatch(manifest_id=one.manifest_id, similarity_score=one.score) for one in found)
    return json_answer(SoftBindingMatches(matches=told))
