"""Panel's pages with 100,000 jobs stored: the 95th percentile of each, and the worst of them."""

import contextlib
import re
import secrets
import time
from collections.abc import Iterator

import httpx2
import msgspec
from sqlalchemy import insert

from bench.figure import Figure
from bench.fixtures import HOST, Fixture, Server, open_fixture, serve_api
from imgen.domain.job import ENDED, State
from imgen.domain.user import ROLES
from imgen.records import users
from imgen.records.tables.jobs import jobs
from imgen.records.tables.operations import audit
from imgen.services.accounts import passwords
from imgen.surfaces.web import usage
from tests.factories import make_job

JOBS = 100_000
MOST_MS = 100
FIRST_COUNT_MS = 500
"""Bound for the first user who opens the page after a start, then once an hour."""
PAGES = (
    "/", "/panel", "/panel/jobs", "/panel/jobs?view=table", "/panel/jobs?words=nothing+like+it", "/panel/jobs?state=failed",
    "/panel/jobs?state=completed", "/panel/jobs?key=key_3", "/panel/jobs?character=aya", "/panel/jobs/{job}", "/panel/blocked",
    "/panel/keys", "/panel/usage", "/panel/usage?by=key", "/panel/usage?by=character", "/panel/usage.csv?by=key",
    "/panel/catalog", "/panel/webhooks", "/panel/webhooks?state=dead",
)  # fmt: skip
FOR_ADMINISTRATORS = (
    "/panel/workers",
    "/panel/cache",
    "/panel/people",
    "/panel/audit",
    "/panel/audit?words=nothing+like+it",
)
USAGE = tuple(f"/panel/usage?by={column}" for column in usage.COLUMNS)
KEYS = 20


def measure(*, stored: int = JOBS, rounds: int = 20) -> list[Figure]:
    """Measures seconds from request to the last byte, by one client; a member's tenant has all the jobs."""
    with open_fixture() as fixture:
        job_id = fill(fixture, stored)
        with serve_api(fixture) as server, sign_in(server, "admin") as admin, sign_in(server, "member") as member:
            first = {page: _seconds(admin, page) for page in USAGE}
            pages = [page.format(job=job_id) for page in PAGES]
            worst = {page: percentile(admin, page, rounds) for page in (*pages, *FOR_ADMINISTRATORS)}
            worst |= {f"{page} of a member": percentile(member, page, rounds) for page in pages}
            time.sleep(usage.LATELY_FOR_S)
            again = {page: _seconds(admin, page) for page in USAGE}
    return [
        _slowest(f"slowest page, {stored:,} jobs", worst, f"95th percentile of {{}}; {len(worst)} pages"),
        _slowest("usage, counted again", again, "{}: today and yesterday, every 10 s"),
        _slowest("usage, first count", first, "{}: 30 days, once an hour", at_most=FIRST_COUNT_MS),
    ]


def _slowest(what: str, times: dict[str, float], detail: str, at_most: float = MOST_MS) -> Figure:
    page = max(times, key=lambda page: times[page])
    return Figure(what=what, value=times[page] * 1e3, unit="ms", at_most=at_most, detail=detail.format(page))


def percentile(client: httpx2.Client, page: str, rounds: int) -> float:
    """Computes the 95th percentile of warm answers: the first two are left out."""
    ordered = sorted([_seconds(client, page) for _ in range(rounds + 2)][2:])
    return ordered[int(0.95 * (len(ordered) - 1) + 0.5)]


def _seconds(client: httpx2.Client, page: str) -> float:
    started = time.perf_counter()
    client.get(page).raise_for_status()
    return time.perf_counter() - started


def fill(fixture: Fixture, stored: int) -> str:
    """Stores jobs of every state over a month, as many rows of the audit, and two people. Returns a job's id."""
    template, now, states = (
        make_job(tenant_id=fixture.principal.tenant.id, counted_as=fixture.principal.counted_as),
        time.time(),
        sorted(ENDED),
    )
    recipe = msgspec.json.encode(template.recipe).decode()
    rows = [
        {
            "id": f"run_{secrets.token_urlsafe(16)}", "gen_id": secrets.token_hex(10), "tenant_id": template.tenant_id,
            "key_id": f"key_{number % KEYS}", "surface": "action", "queue": "finish", "priority": 3, "fence": 1, "attempts": 1,
            "state": State.COMPLETED if number % 10 else states[number // 10 % len(states)], "recipe": recipe, "model": "eros",
            "style": template.recipe.style, "ruleset": template.recipe.ruleset,
            "character": "aya" if number % 3 else "", "prompt": f"red coat number {number}, on a beach", "master_key": "",
            "watermark_id": secrets.token_hex(6), "timings": '{"render": 1.5}', "created_at": now - number * 26,
            "available_at": now, "deadline_at": now + 9e6, "claimed_at": now,
            "ended_at": now - number * 26 + 3 + number % 97 / 10,
            "outcome": _OUTCOME, "lease_until": now + 9e6, "published_at": now,
        }
        for number in range(stored)
    ]  # fmt: skip
    noted = [
        {
            "id": f"aud_{secrets.token_hex(8)}", "at": row["created_at"], "actor": "admin", "action": "cancelled job",
            "tenant_id": "", "subject": row["id"], "detail": '{"address": "127.0.0.1"}',
        }
        for row in rows
    ]  # fmt: skip
    with fixture.database.write() as connection:
        connection.execute(insert(jobs), rows)
        connection.execute(insert(audit), noted)
        for role in ROLES:
            user = users.add(
                connection,
                name=role,
                role=role,
                password_hash=passwords.hash_password("bench"),
                must_change_password=False,
            )
            users.set_memberships(connection, user.id, [template.tenant_id])
    return str(rows[0]["id"])


_OUTCOME = '{"blocked": {"names": ["Violence"], "categories": ["violence"]}}'
"""Outcome of a withheld picture; pages read the outcomes of these alone."""


@contextlib.contextmanager
def sign_in(server: Server, name: str) -> Iterator[httpx2.Client]:
    """Yields a client that is signed in."""
    with httpx2.Client(base_url=f"http://{HOST}:{server.port}", timeout=30) as client:
        token = re.search(r'name="csrftoken" value="([^"]+)"', client.get("/sign-in").text)
        assert token is not None
        client.post("/sign-in", data={"name": name, "password": "bench", "csrftoken": token[1]})
        client.get("/panel/account").raise_for_status()
        yield client
