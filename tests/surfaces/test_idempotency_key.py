"""Idempotency key of a request's head: one, or none."""

import pytest

from imgen.domain.errors import InvalidField
from imgen.surfaces.idempotency_key import idempotency_key


def scope(*values):
    """A request with this header, as often as there are values."""
    return {"headers": [(b"host", b"x"), *((b"idempotency-key", value) for value in values)]}


@pytest.mark.parametrize(
    ("values", "key"),
    [((), ""), ((b"one",), "one"), ((b'"one"',), "one"), ((b"one", b"one"), "one"), ((b"k" * 255,), "k" * 255)],
)
def test_a_key_is_bare_or_quoted(values, key):
    """The same one twice is one; a request without the header has none."""
    assert idempotency_key(scope(*values)) == key


@pytest.mark.parametrize("values", [(b"",), (b'""',), (b"one", b"two"), (b"one", b""), (b"k" * 256,), ("ü".encode(),)])
def test_a_header_without_a_key_is_refused(values):
    """Empty, too long, not ASCII, or different ones: its sender would believe itself safe."""
    with pytest.raises(InvalidField, match="Idempotency-Key"):
        idempotency_key(scope(*values))
