"""A stack whose cache is that of this folder."""

import pytest
from servers.stack import start_stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory):
    """A stack of its own: what is in its cache is this folder's."""
    with start_stack(
        tmp_path_factory.mktemp("cache") / "var", settings="[review]\nfree_blocks = 1000\n[cache]\npause_s = 0.5\n"
    ) as started:
        yield started
