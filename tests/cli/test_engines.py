"""`imgen engines`, and what `imgen doctor` tells of engines: their state, and what was spent."""

import csv
import io
import re
import time

import pytest
from factories import PLAN, add_tenant, make_job
from servers.command import run_command
from servers.faulty_http import answer
from servers.image_engine import JSON, start_image_engine
from servers.tables import make_tables

from imgen import settings
from imgen.cli import doctor
from imgen.domain.job import State
from imgen.domain.remote_engine import EngineState, parse_remote_engine
from imgen.live import workers
from imgen.live.executors import BlockingExecutor
from imgen.live.workers import WorkerHeartbeat
from imgen.records import engine_calls, job_transitions, jobs, ledger
from imgen.records.database import Database

NOVEMBER_21 = 1_763_683_200.0
TODAY = time.strftime("%Y-%m-%d", time.gmtime())
ENGINES = '[cloud]\nkind = "openai"\nprice = 0.003\nmonthly_cap = {cap}\n'
MODEL = """
[far]
label = "Far"
backend = "remote"
engines = [{ engine = "cloud", model = "m" }]
steps = { default = 4 }
guidance = { default = 3.5 }
default_style = "plain"
styles = { plain = { label = "Plain" } }
"""


@pytest.fixture
def imgen(tmp_path, clean_redis):
    """Runs a command over a data folder with an engine, and two calls of a tenant with a formula's name."""
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "engines.toml").write_text(ENGINES.format(cap=0.005))
    (folder / "models.toml").write_text(MODEL)
    (folder / "imgen.toml").write_text(f'[redis]\nurl = "{clean_redis}"\n')
    database = Database(f"sqlite:///{folder / 'imgen.db'}")
    make_tables(database)
    engine = parse_remote_engine("cloud", {"kind": "openai"})

    def write(connection):
        add_tenant(connection, "ten_1", name="=shop")
        for at in (NOVEMBER_21, None):
            job = make_job()
            jobs.add(connection, job)
            ledger.hold(connection, job, PLAN)
            job = job_transitions.claim(connection, job.id, waiting=State.QUEUED, lease_s=60, max_attempts=9)
            engine_calls.open_call(connection, job, engine=engine, price_micros=3000, now=at)

    database.attempt(write)
    database.close()
    return lambda *arguments: run_command("engines", *arguments, "--data", str(folder))


def told(imgen):
    done = imgen("list")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_engines_are_listed_with_state_and_spending(imgen, clean_redis, tmp_path):
    """Workers tell the state; a cap that is reached comes first."""
    row = r"cloud +│ openai +│ api.openai.com +│ far +│ {} +│ 0\.003 +│ "
    (tmp_path / "var" / "engines.toml").write_text(ENGINES.format(cap=50))
    assert re.search(row.format("no worker draws with its models") + r"50\.00", told(imgen))
    live = BlockingExecutor(clean_redis)
    refused = EngineState(reason="cloud refuses the key (CLOUD_KEY)", code="remote_key_refused")
    beat = WorkerHeartbeat(name="w", queues=(), pid=1, memory_bytes=1, engines={"cloud": refused}, since=1, at=2)
    live.run(workers.publish(beat))
    live.close()
    assert re.search(row.format(r"cloud refuses the key \(CLOUD_KEY\)") + r"50\.00", told(imgen))
    (tmp_path / "var" / "engines.toml").write_text(ENGINES.format(cap=0.004))
    assert re.search(r"over its cap: off until 1 \w+ +│ 0\.003 +│ 0\.004", told(imgen))


def test_without_redis_the_spending_is_told(imgen, tmp_path):
    """The state is not known then."""
    (tmp_path / "var" / "engines.toml").write_text(ENGINES.format(cap=50))
    (tmp_path / "var" / "imgen.toml").write_text('[redis]\nurl = "redis://127.0.0.1:1/0"\n')
    assert re.search(r"not known: Redis does not answer +│ 0\.003", told(imgen))


def test_spending_is_told_by_day(imgen):
    """This month's as it comes, else from one day to another; the sum is below."""
    done = imgen("spending", "--from", "2025-11-01", "--to", "2025-11-21")
    assert re.search(r"2025-11-21 +│ cloud +│ eros +│ =shop +│ 1 +│ 0\.003", done.stdout)
    assert re.search(r"all +│ +│ +│ +│ 1 +│ 0\.003", done.stdout)
    assert TODAY in imgen("spending").stdout


def test_spending_as_csv_holds_no_formula(imgen):
    """A line for each day, engine, model and tenant."""
    rows = csv.reader(io.StringIO(imgen("spending", "--csv", "--from", "2025-11-01", "--to", "2025-11-21").stdout))
    assert list(rows) == [
        ["day", "engine", "model", "tenant", "calls", "amount"],
        ["2025-11-21", "cloud", "eros", "'=shop", "1", "0.003"],
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "21.11.2026"), "--from '21.11.2026' is no day; write it like 2026-11-21"),
        (("--to", "2025-11-31"), "--to '2025-11-31' is no day"),
        (("--from", "2025-11-22", "--to", "2025-11-21"), "--from 2025-11-22 is after --to 2025-11-21"),
    ],
)
def test_wrong_days_are_told(imgen, arguments, words):
    """In one line."""
    done = imgen("spending", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert words in done.stderr


def test_the_doctor_tells_cap_and_spending(imgen, tmp_path):
    """Beside what the engine draws with."""
    folder = tmp_path / "var"
    models = answer(200, b'{"data": [{"id": "m"}]}', JSON)
    with start_image_engine() as server:

        def found(table):
            server.script.append(models)
            (folder / "engines.toml").write_text(f'[cloud]\nkind = "openai"\nbase_url = "{server.url}/v1"\n{table}')
            state, text = doctor.check("engines", settings.load(folder, environ={}))
            assert (state, "answers: m; " in text) == (doctor.OK, True)
            return text

        assert "0.003 of 50.00 spent this month" in found("monthly_cap = 50\n")
        assert "0.003 spent this month, no cap" in found("")
        assert "over its cap: off until 1 " in found("price = 1\nmonthly_cap = 1\n")
        (folder / "models.toml").write_text(MODEL.replace('model = "m"', 'model = "m", price = 0.5'))
        assert "over its cap" not in found("price = 1\nmonthly_cap = 1\n")


def test_the_doctor_asks_all_engines(imgen, tmp_path):
    """One without its key, one that refuses it and one that is down keep it from none; each is told, and all is wrong then."""
    folder = tmp_path / "var"
    models, refused = answer(200, b'{"data": [{"id": "m"}]}', JSON), answer(401, b"{}", JSON)
    with start_image_engine() as server:
        server.script += [refused, models]
        here = f'kind = "openai"\nbase_url = "{server.url}/v1"\n'
        (folder / "engines.toml").write_text(
            f'[keyless]\n{here}api_key_env = "NOBODYS_KEY"\n[locked]\n{here}[cloud]\n{here}monthly_cap = 50\n'
            '[down]\nkind = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n'
        )
        (folder / "models.toml").write_text(MODEL + MODEL.replace("[far]", "[lost]").replace("cloud", "gone"))
        state, text = doctor.check("engines", settings.load(folder, environ={}))
    assert state == doctor.WRONG
    for words in (
        "keyless at http://127.0.0.1:",
        "the environment has no NOBODYS_KEY",
        "Engine locked refuses the key",
        "answers: m; 0.003 of 50.00 spent this month",
        "Engine down is down: no connection",
        "lost: engines.toml has no engine gone",
    ):
        assert words in text, words
