"""Time of Forge's answers to what is another tenant's, beside those to what is not there: by one client, in turns.

Both are 404; a ratio of medians far from 1 would tell them apart.
"""

import contextlib
import http.client
import json
import secrets
import statistics
import time
import uuid
from typing import NamedTuple

from bench.figure import Figure
from bench.fixtures import HOST, Fixture, open_fixture, serve_api
from bench.forge_samples import SETTINGS, finished_job
from imgen.domain.ids import uuid_form
from imgen.domain.principal import new_raw_key
from imgen.records import api_keys, tenants

PRIVATE = f'{SETTINGS}\n[forge]\nassets = "private"\n'
NOT_FOUND = 404
LEAST, MOST = 0.8, 1.25


def figures(*, rounds: int) -> list[Figure]:
    """Measures each kind of id `rounds` times."""
    with open_fixture(PRIVATE) as fixture:
        job, _ = finished_job(fixture)
        ids, unknown = (uuid_form(job.id), job.outcome.meta.sha256), (str(uuid.uuid4()), secrets.token_hex(32))
        key = _other_key(fixture)
        with (
            serve_api(fixture) as server,
            contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=30)) as connection,
        ):
            client = _Client(connection, key)
            return [
                _figure(client, what, foreign, absent, rounds=rounds)
                for what, foreign, absent in (
                    ("job", ("GET", f"/v2/jobs/{ids[0]}", None), ("GET", f"/v2/jobs/{unknown[0]}", None)),
                    ("asset", ("GET", f"/v2/assets/{ids[1]}", None), ("GET", f"/v2/assets/{unknown[1]}", None)),
                    ("input_job_id", _generate(ids[0]), _generate(unknown[0])),
                )
            ]


_Request = tuple[str, str, str | None]
"""Method, path and body."""


def _generate(job_id: str) -> _Request:
    return "POST", "/v2/generate", json.dumps({"prompt": "a vase", "input_job_id": job_id})


class _Client(NamedTuple):
    connection: http.client.HTTPConnection
    key: str


def _figure(client: _Client, what: str, foreign: _Request, absent: _Request, *, rounds: int) -> Figure:
    """Compares the medians; of each pair another one comes first in turn."""
    times: dict[_Request, list[float]] = {foreign: [], absent: []}
    for number in range(rounds):
        for asked in (foreign, absent) if number % 2 else (absent, foreign):
            times[asked].append(_ask(client, asked))
    medians = {asked: statistics.median(taken) for asked, taken in times.items()}
    return Figure(
        what=f"forge {what}: another's / unknown",
        value=medians[foreign] / medians[absent],
        at_least=LEAST,
        at_most=MOST,
        detail=f"another's {1000 * medians[foreign]:.2f} ms; unknown {1000 * medians[absent]:.2f} ms; {rounds} of each",
    )


def _ask(client: _Client, asked: _Request) -> float:
    """Returns the seconds until the answer is there.

    Raises:
        ValueError: it is not a 404.
    """
    method, path, body = asked
    begun = time.perf_counter()
    client.connection.request(method, path, body, {"X-API-Key": client.key, "Content-Type": "application/json"})
    answer = client.connection.getresponse()
    answer.read()
    taken = time.perf_counter() - begun
    if answer.status != NOT_FOUND:
        raise ValueError(f"{method} {path} was answered {answer.status}")
    return taken


def _other_key(fixture: Fixture) -> str:
    """Makes a tenant; returns its key."""
    raw = new_raw_key()
    with fixture.database.write() as connection:
        tenant = tenants.ensure_tenant(connection, "other", "unlimited")
        api_keys.add_key(connection, raw, tenant=tenant, name="other")
    return raw
