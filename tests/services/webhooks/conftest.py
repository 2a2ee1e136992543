"""Receivers of the tests of webhooks."""

import pytest
from servers.faulty_http import answer, start_faulty_http


@pytest.fixture
def receiver():
    """A receiver that takes everything, unless a test has it do otherwise."""
    with start_faulty_http(answer(204)) as server:
        yield server
