"""Ids of jobs, uploads, pictures and invisible watermarks: how they are made and recognized."""

import re
import secrets
import string

CACHED = "cache_"
ID_FORM = r"run_[A-Za-z0-9_-]{22,64}|cache_[0-9a-f]{32}"
"""Regular expression of a whole job id."""
UPLOAD_FORM = r"up_[A-Za-z0-9_-]{22}"
"""Regular expression of a whole upload's id."""
_ID = re.compile(ID_FORM)
_UPLOAD_ID = re.compile(UPLOAD_FORM)
_GEN_ID_LETTERS = string.ascii_lowercase + string.digits


def is_job_id(text: str) -> bool:
    """Returns whether a text has the form of a job id (contract: `run_…` or `cache_…`)."""
    return _ID.fullmatch(text) is not None


def is_upload_id(text: str) -> bool:
    """Returns whether a text has the form of an upload's id."""
    return _UPLOAD_ID.fullmatch(text) is not None


def is_cached(job_id: str) -> bool:
    """Returns whether a job id is that of a cache hit."""
    return job_id.startswith(CACHED)


def new_cached_id() -> str:
    """Makes the id of a cache hit: `cache_` and 32 hex digits."""
    return CACHED + secrets.token_hex(16)


def new_job_id() -> str:
    """Makes a job id: `run_` and 22 URL-safe characters, 128 random bits."""
    return "run_" + secrets.token_urlsafe(16)


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
