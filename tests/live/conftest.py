"""An executor for the tests of this folder."""

import pytest

from imgen.live.executors import BlockingExecutor


@pytest.fixture
def live(clean_redis):
    """A worker's executor over an empty Redis."""
    executor = BlockingExecutor(clean_redis)
    yield executor
    executor.close()
