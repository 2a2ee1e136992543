"""Failure of a job: its code and the reason that people read."""

import pytest

from imgen.domain import errors
from imgen.domain.failure import REASON_CHARS, failure_of


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("cannot reach redis://:hunter2222@10.0.0.5:6379/0", "hunter2222"),
        ("cannot reach https://bob:hunter2222@s3.example/bucket", "hunter2222"),
        ("GET https://s3.example/a.png?X-Amz-Signature=hunter2222&x=1 failed", "hunter2222"),
        ("Incorrect API key provided: sk-hunter2222aa.", "hunter2222"),
        ("401 for Authorization: Bearer hunter2222.ab/cd=", "hunter2222"),
        ("no key imgen_" + "c0ffee" * 10 + "c0de", "c0ffee"),
    ],
)
def test_a_reason_holds_no_secret(text, secret):
    """Whatever another server or library writes into its message."""
    failure = failure_of(errors.ObjectStoreUnavailable(text))
    assert failure.code == "object_store_unavailable"
    assert secret not in failure.reason


def test_a_reason_is_one_line_of_bounded_length():
    """Plain words stay as they are; the rest is cut."""
    assert failure_of(errors.ModelError("no LoRA\nfile 'a'")).reason == "no LoRA file 'a'"
    assert len(failure_of(errors.ModelError("word " * 500)).reason) == REASON_CHARS


def test_each_code_stands_for_one_error():
    """Programs tell errors apart by their codes."""

    def kin(kind):
        return [kind, *(each for child in kind.__subclasses__() for each in kin(child))]

    codes = [kind.code for kind in kin(errors.ImgenError) if kind.__module__ == errors.__name__]
    assert len(set(codes)) == len(codes)
