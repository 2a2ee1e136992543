"""Ids of jobs, uploads, pictures and invisible watermarks: how they are made, recognized and written.

A job id is 128 bits with two written forms. It is stored as `run_` and their 22 characters of base64url, or for a cache hit as
`cache_` and 32 hex digits, as it has always been: rows, object keys and views of older versions keep their ids, and a new
process reads what an old one writes beside it. Surfaces whose ids are UUIDs write the same bits as one, version 4; that of a
cache hit is version 8, RFC 9562's for bits of one's own, by which the two are told apart.
"""

import base64
import re
import secrets
import string
import uuid

CACHED = "cache_"
ID_FORM = r"run_[A-Za-z0-9_-]{22,64}|cache_[0-9a-f]{32}"
"""Regular expression of a whole job id."""
UPLOAD_FORM = r"up_[A-Za-z0-9_-]{22}"
"""Regular expression of a whole upload's id."""
UUID_FORM = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
"""Regular expression of the UUID form of a job id."""
UUID_SURFACES = frozenset({"forge", "mcp", "studio"})
"""Surfaces that write the ids of jobs as UUIDs."""
_RUN, _RUN_CHARS = "run_", 22
_CACHED_VERSION = 8
_ID = re.compile(ID_FORM)
_UUID = re.compile(UUID_FORM)
_UPLOAD_ID = re.compile(UPLOAD_FORM)
_GEN_ID_LETTERS = string.ascii_lowercase + string.digits


def is_job_id(text: str) -> bool:
    """Returns whether a text has the stored form of a job id (contract: `run_…` or `cache_…`)."""
    return _ID.fullmatch(text) is not None


def is_upload_id(text: str) -> bool:
    """Returns whether a text has the form of an upload's id."""
    return _UPLOAD_ID.fullmatch(text) is not None


def is_cached(job_id: str) -> bool:
    """Returns whether a job id is that of a cache hit."""
    return job_id.startswith(CACHED)


def stored_id(text: str) -> str:
    """Reads a job id of either form; returns it as it is stored. A text of another form is returned as it is."""
    if not _UUID.fullmatch(text):
        return text
    read = uuid.UUID(text)
    return CACHED + read.hex if read.version == _CACHED_VERSION else _run_id(read.bytes)


def written_id(job_id: str, surface: str) -> str:
    """Writes a stored job id as the surface does."""
    return uuid_form(job_id) if surface in UUID_SURFACES else job_id


def uuid_form(job_id: str) -> str:
    """Writes a stored job id as a UUID.

    Ids of older versions are any 128 bits, so some of them could be read back as another kind of id; those, and ids of more
    bits, are written as they are stored.
    """
    bits = _bits(job_id)
    if bits is None:
        return job_id
    text = str(uuid.UUID(bytes=bits))
    return text if stored_id(text) == job_id else job_id


def new_cached_id() -> str:
    """Makes the id of a cache hit: `cache_` and 32 hex digits, a UUID of version 8 with 122 random bits."""
    bits = bytearray(secrets.token_bytes(16))
    bits[6] = bits[6] & 0x0F | _CACHED_VERSION << 4
    bits[8] = bits[8] & 0x3F | 0x80  # RFC 9562, section 4.1: the variant
    return CACHED + bits.hex()


def new_job_id() -> str:
    """Makes a job id: `run_` and 22 URL-safe characters, a UUID of version 4 with 122 random bits."""
    return _run_id(uuid.uuid4().bytes)


def new_upload_id() -> str:
    """Makes an upload's id: `up_` and 22 URL-safe characters, 128 random bits."""
    return "up_" + secrets.token_urlsafe(16)


def new_gen_id() -> str:
    """Makes a picture's id for people and file names: 20 of a–z0–9."""
    number = secrets.randbits(128)  # read from the system once; 36^20 is below 2^104: the bias is under 2^-24
    letters = []
    for _ in range(20):
        number, place = divmod(number, 36)
        letters.append(_GEN_ID_LETTERS[place])
    return "".join(letters)


def new_watermark_id() -> str:
    """Makes the payload of the invisible watermark: 48 random bits as 12 hex digits."""
    return secrets.token_hex(6)


def _run_id(bits: bytes) -> str:
    return _RUN + base64.urlsafe_b64encode(bits).decode().rstrip("=")


def _bits(job_id: str) -> bytes | None:
    """Returns the 16 bytes of a stored job id; None: it has more, or is no id."""
    if not is_job_id(job_id):
        return None
    if is_cached(job_id):
        return bytes.fromhex(job_id.removeprefix(CACHED))
    digits = job_id.removeprefix(_RUN)
    return base64.urlsafe_b64decode(digits + "==") if len(digits) == _RUN_CHARS else None
