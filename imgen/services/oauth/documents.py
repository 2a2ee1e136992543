"""Client id metadata documents: an https URL is the id of a client, and the document there has its metadata.

draft-ietf-oauth-client-id-metadata-document. A document is read from a public address alone (see `imgen.outgoing`), for a person
who is signed in, and kept for as long as its answer says, within bounds.
"""

import re

import msgspec

from imgen.domain.errors import InvalidClient, NoAnswer, OAuthError, UnsafeUrl
from imgen.domain.oauth.clients import MAX_CLIENT_ID_CHARS, Client, ClientMetadata, make_client
from imgen.outgoing.client import Answer, OutgoingClient
from imgen.outgoing.urls import parse_url
from imgen.records import oauth_clients
from imgen.services.accounts import tries
from imgen.services.core import Core

MAX_BYTES = 32 * 1024
TIMEOUT_S = 10.0
FRESH_S, MIN_FRESH_S, MAX_FRESH_S = 3600, 60, 86_400
"""Time for which a document is kept: without a word about it, and the bounds of what its answer may say."""
READS_BY_PERSON = 30
"""Documents within a quarter of an hour: other servers are not to be asked without end."""
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,10})")
_OK = 200


class _Document(ClientMetadata, frozen=True, kw_only=True):
    """Metadata with the id that they are for."""

    client_id: str


async def find(core: Core, client_id: str, *, user_id: str, client: OutgoingClient | None = None) -> Client:
    """Finds the client of a document, which is read unless it was a while ago.

    Args:
        core: the core.
        client_id: the URL.
        user_id: the signed-in person, whose reads are counted.
        client: for documents; None: one for public addresses.

    Raises:
        InvalidClient: the URL is no such id, or the document cannot be read or is for another id; the message has the reason.
        OAuthError: the metadata are not as they have to be.
        RateLimited: too many documents were read for this person.
        Unavailable: Redis does not answer, so reads cannot be counted.
    """
    _check_id(client_id)
    now = core.clock()
    known = await core.database.reading(oauth_clients.find, client_id)
    if known is not None and (known.fresh_until or 0) > now:
        return known
    await tries.count(core, f"oauth-document:{user_id}", limit=READS_BY_PERSON)
    outgoing = client or OutgoingClient(timeout_s=TIMEOUT_S)
    try:
        answer = await outgoing.get(client_id, {"Accept": "application/json"}, max_bytes=MAX_BYTES)
    except (UnsafeUrl, NoAnswer) as exc:
        raise InvalidClient(f"The application's metadata document cannot be read: {exc}") from exc
    read = make_client(
        client_id, _decode(client_id, answer), is_document=True, fresh_until=now + _fresh_s(answer), now=now
    )
    await core.database.writing(oauth_clients.put_document, read)
    return read


def _check_id(client_id: str) -> None:
    """Checks the form of an id: a URL with a path, written as it is asked for, so that one document has one id."""
    try:
        parsed = parse_url(client_id) if len(client_id) <= MAX_CLIENT_ID_CHARS else None
    except UnsafeUrl as exc:
        raise InvalidClient(f"The application's metadata document cannot be read: {exc}") from exc
    segments = parsed.target.partition("?")[0].split("/") if parsed else []
    if parsed is None or parsed.text != client_id or len("".join(segments)) == 0 or {".", ".."} & set(segments):
        raise InvalidClient("A client_id that is a URL has a path, and is written without what can be left out")


def _decode(client_id: str, answer: Answer) -> ClientMetadata:
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status != _OK or not (media_type == "application/json" or media_type.endswith("+json")):
        raise InvalidClient(
            f"The application's metadata document is not there: {answer.status} {media_type[:80]}".strip()
        )
    try:
        document = msgspec.json.decode(answer.body, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise OAuthError("The application's metadata document is not as it has to be") from exc
    if document.client_id != client_id:
        raise InvalidClient("The application's metadata document is for another client_id")
    return document


def _fresh_s(answer: Answer) -> int:
    told = answer.headers.get("cache-control", "").lower()
    if "no-store" in told or "no-cache" in told:
        return MIN_FRESH_S
    found = _MAX_AGE.search(told)
    return min(max(int(found[1]), MIN_FRESH_S), MAX_FRESH_S) if found else FRESH_S
