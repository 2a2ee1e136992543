"""Panel and API with 100,000 tenants, each with a key, an owner and an endpoint: the 95th percentile of each page and action."""

import contextlib
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
from sqlalchemy import insert, text

from bench.figure import Figure
from bench.fixtures import HOST, Fixture, Server, open_fixture, serve_api
from bench.history import SETTINGS
from bench.pages import MOST_MS, fill, percentile, sign_in
from imgen.domain.user import MEMBER, OWNER
from imgen.records import users
from imgen.records.tables.accounts import api_keys, tenants
from imgen.records.tables.cache import cache_lookups
from imgen.records.tables.ledger import counters
from imgen.records.tables.operations import audit
from imgen.records.tables.webhooks import webhook_endpoints
from tests.servers.postgres import find_binaries, start_postgres

TENANTS = 100_000
JOBS = 20_000
PAGES = (
    "/", "/panel", "/panel/jobs", "/panel/jobs?view=table", "/panel/jobs?key=key+77777", "/panel/jobs/{job}", "/panel/blocked",
    "/panel/tenants", "/panel/tenants?words=studio+9", "/panel/tenants/{tenant}", "/account", "/account/tenants/{tenant}",
    "/panel/keys", "/panel/keys?words=key+77", "/panel/keys?tenant={tenant}", "/panel/webhooks",
    "/panel/usage?by=tenant", "/panel/usage?by=key", "/panel/usage.csv?by=tenant",
    "/panel/catalog", "/panel/suggest/tenants?tenant=studio+9", "/panel/suggest/keys?key=key+9",
)  # fmt: skip
FOR_ADMINISTRATORS = (
    "/panel/workers", "/panel/cache", "/panel/cache?words=studio+5", "/panel/people", "/panel/people?words=owner+42",
    "/panel/webhooks?tenant=studio+77777", "/panel/webhooks?state=dead", "/panel/audit",
    "/panel/audit?words=nothing+of+the+kind",
)  # fmt: skip
ACTIONS: tuple[dict[str, object], ...] = (
    {"action": "models"},
    {"action": "usage"},
    {"action": "jobs", "limit": 20},
    {"action": "status", "id": "{job}"},
    {"action": "generate", "prompt": "a red coat, on a beach"},
)


def measure(*, number: int = TENANTS, stored: int = JOBS, rounds: int = 20) -> list[Figure]:
    """Measures seconds from request to the last byte, by one client."""
    figures = _of_database("SQLite", "", number=number, stored=stored, rounds=rounds)
    if not find_binaries():
        print("tenants: this machine has no PostgreSQL, so it is not measured", file=sys.stderr)
        return figures
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, start_postgres(Path(folder)) as url:
        return figures + _of_database("PostgreSQL", url, number=number, stored=stored, rounds=rounds)


def _of_database(kind: str, url: str, *, number: int, stored: int, rounds: int) -> list[Figure]:
    with open_fixture(SETTINGS.format(url)) as fixture:
        job_id = fill(fixture, stored)
        add_tenants(fixture, number)
        with serve_api(fixture) as server:
            times = percentiles(fixture, server, job_id, rounds=rounds)
    slowest = max(times, key=lambda page: times[page])
    return [
        Figure(
            what=f"{kind}: slowest page or action, {number:,} tenants",
            value=times[slowest] * 1e3,
            unit="ms",
            at_most=MOST_MS,
            detail=f"95th percentile of {slowest}; {len(times)} of them",
        )
    ]


def percentiles(fixture: Fixture, server: Server, job_id: str, *, rounds: int) -> dict[str, float]:
    """Measures the 95th percentile of each page, for an administrator and a member, and of each action, in seconds."""
    with sign_in(server, "admin") as admin, sign_in(server, MEMBER) as member, _api(server, fixture) as client:
        pages = [page.format(job=job_id, tenant=fixture.principal.tenant.id) for page in PAGES]
        return {
            **{page: percentile(admin, page, rounds) for page in (*pages, *FOR_ADMINISTRATORS)},
            **{f"{page} of a member": percentile(member, page, rounds) for page in pages},
            **{f"action {one['action']}": _action(client, one, job_id, rounds) for one in ACTIONS},
        }


def add_tenants(fixture: Fixture, number: int) -> None:
    """Stores tenants with a key, an owner, an endpoint and a row of the audit each, counts of this month and of look-ups."""
    now = time.time()
    day = time.strftime("%Y-%m-%d", time.gmtime(now))
    owners = [f"usr_{secrets.token_hex(8)}" for _ in range(number)]
    names = [f"ten_{secrets.token_hex(8)}" for _ in range(number)]
    with fixture.database.write() as connection:
        for table, rows in (
            (tenants, [{"id": one, "name": f"studio {at}", "plan": "free", "created_at": now} for at, one in enumerate(names)]),
            (
                api_keys,
                [
                    {
                        "id": f"key_{secrets.token_hex(8)}", "tenant_id": one, "name": f"key {at}", "enabled": True,
                        "hash": secrets.token_hex(32), "prefix": "imgen_123456", "scopes": "generate read",
                        "created_at": now - at,
                    }
                    for at, one in enumerate(names)
                ],
            ),
            (
                users.users,
                [
                    {
                        "id": one, "name": f"owner {at}", "role": MEMBER, "password_hash": "", "must_change_password": False,
                        "created_at": now,
                    }
                    for at, one in enumerate(owners)
                ],
            ),
            (
                users.memberships,
                [
                    {"user_id": one, "tenant_id": tenant, "role": OWNER}
                    for one, tenant in zip(owners, names, strict=True)
                ],
            ),
            (
                webhook_endpoints,
                [
                    {
                        "id": f"we_{secrets.token_hex(8)}", "tenant_id": one, "url": f"https://studio-{at}.example/hook",
                        "events": " job.completed ", "secret": "whsec_", "enabled": True, "created_at": now - at,
                    }
                    for at, one in enumerate(names)
                ],
            ),
            (
                audit,
                [
                    {
                        "id": f"aud_{secrets.token_hex(8)}", "at": now - 2_000_000 - at, "actor": f"owner {at}",
                        "action": "made tenant", "tenant_id": one, "subject": one, "detail": '{"address": "127.0.0.1"}',
                    }
                    for at, one in enumerate(names)
                ],
            ),
            (counters, [{"owner": one, "period": day[:7], "requests": 9, "pictures": 3} for one in names]),
            (cache_lookups, [{"tenant_id": one, "day": day, "hits": 1, "misses": 2} for one in names]),
        ):  # fmt: skip
            connection.execute(insert(table), rows)
        member = users.find_user(connection, MEMBER)
        assert member is not None
        users.set_memberships(connection, member.id, {*member.tenant_ids, *names[:3]})
        connection.execute(text("ANALYZE"))


def _action(client: httpx2.Client, fields: dict[str, object], job_id: str, rounds: int) -> float:
    """Computes the 95th percentile of warm answers of an action."""
    body, times = {name: job_id if value == "{job}" else value for name, value in fields.items()}, []
    for _ in range(rounds + 2):
        started = time.perf_counter()
        client.post("/api/v2", json=body).raise_for_status()
        times.append(time.perf_counter() - started)
    ordered = sorted(times[2:])
    return ordered[int(0.95 * (len(ordered) - 1) + 0.5)]


@contextlib.contextmanager
def _api(server: Server, fixture: Fixture) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {fixture.raw_key}"}
    with httpx2.Client(base_url=f"http://{HOST}:{server.port}", headers=headers, timeout=30) as client:
        yield client
