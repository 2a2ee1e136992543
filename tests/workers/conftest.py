"""Resources of a worker over real parts: SQLite, Redis, a disk store and the instant engine."""

import pytest
from servers.tables import make_tables

from imgen import composition, settings
from workers.resources import open_resources

MODELS = """
[eros]
label = "Eros"
source = "none"
backend = "instant"
steps = { default = 4 }
guidance = { default = 3.5 }
time_limit_s = 30
default_style = "professional"
styles = { professional = { label = "Professional" } }
call = { step_s = 0.0, fail_on = "brokenmodel", retry_on = "flaky", flag_on = "flagged" }
"""


@pytest.fixture
def make_resources(tmp_path, clean_redis):
    """Opens the resources of a worker process; nothing waits between tries. `more` is added to its settings."""
    opened = []
    data = tmp_path / "var"
    data.mkdir()
    (data / "models.toml").write_text(MODELS)

    def make(more=""):
        ours = f'[redis]\nurl = "{clean_redis}"\n[jobs]\nretry_pauses_s = [0]\nlease_s = 5\n'
        (data / "imgen.toml").write_text(ours + more)
        loaded = settings.load(data, environ={})
        database = composition.open_database(loaded)
        make_tables(database)
        database.close()
        opened.append(open_resources(loaded))
        return opened[-1]

    yield make
    for resources in opened:
        resources.close()


@pytest.fixture
def resources(make_resources):
    """Resources of a worker process."""
    return make_resources()
