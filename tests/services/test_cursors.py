"""Cursors of job lists, for every surface."""

import base64

import pytest

from imgen.domain.errors import InvalidField
from imgen.services.cursors import read_cursor, write_cursor

JOB_ID = "run_" + "x" * 22


def text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()


@pytest.mark.parametrize("at", [0.0, 1_800_000_000.123456, 1e-9])
def test_a_cursor_comes_back_as_its_place(at):
    """The time loses no digit, with and without padding, so that no job is told twice or left out."""
    cursor = write_cursor(at, JOB_ID)
    assert "=" not in cursor
    assert read_cursor(cursor) == read_cursor(cursor + "==") == (at, JOB_ID)


@pytest.mark.parametrize(
    "cursor",
    [
        "", "nonsense", "é", "====", text(b"1.5"), text(b"x " + JOB_ID.encode()), text(b"nan " + JOB_ID.encode()),
        text(b"inf " + JOB_ID.encode()), text(b"1.5 run_"), text(b"1.5 \x00" + b"x" * 22), text(b"\xff\xfe"),
        text(b"1.5 " + JOB_ID.encode() + b" 2"),
    ],
)  # fmt: skip
def test_a_cursor_that_no_page_has_is_refused(cursor):
    """Whatever is sent, it reaches no database."""
    with pytest.raises(InvalidField):
        read_cursor(cursor)
