"""Idempotency keys: a client's word that a request is the same one, sent again (contract, section 9)."""

import hashlib
import re
from typing import IO

import msgspec
from msgspec import Raw, Struct

from imgen.domain.errors import InvalidField

HEADER = "Idempotency-Key"
LONGEST = 255
PART_BYTES = 1024 * 1024
KEPT_S = 24 * 3600
"""Time for which a repetition gets the first answer."""
RUNNING_S = 60
"""Time after which a request that has neither succeeded nor failed counts as lost, as with its process."""
_KEY = re.compile(rf"[\x21-\x7e](?:[\x20-\x7e]{{0,{LONGEST - 2}}}[\x21-\x7e])?")
_members = msgspec.json.Decoder(dict[str, Raw])


class Once(Struct, frozen=True, kw_only=True):
    """Request that is to be carried out once, however often it comes."""

    route: str
    """Path of the route: the same key on another one is another request."""
    key: str
    fingerprint: str
    """SHA-256 of the body, in hex."""


def parse_key(sent: str) -> str:
    """Returns the key of a header's value: quoted, as a structured field has it, or bare.

    Raises:
        InvalidField: it is empty, too long, or has characters other than printable ASCII.
    """
    text = sent.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if _KEY.fullmatch(text) is None:
        raise InvalidField(HEADER)
    return text


def json_fingerprint(body: bytes) -> str:
    """Returns the fingerprint of a JSON object: the order of its members and the space between them do not count.

    The members' values are not decoded, as lists of megabytes would become Python's at twenty times their size.
    """
    try:
        members = _members.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return hashlib.sha256(body).hexdigest()
    digest = hashlib.sha256()
    for name in sorted(members):
        for part in (name.encode("utf-8", "surrogatepass"), bytes(members[name])):
            digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


def file_fingerprint(body: IO[bytes]) -> str:
    """Returns the fingerprint of a body in a file, which is read to its end."""
    digest = hashlib.sha256()
    while part := body.read(PART_BYTES):
        digest.update(part)
    return digest.hexdigest()
