"""Calls of API processes, and a look into their database."""

import time

from sqlalchemy import func, select

from imgen.records.tables.jobs import jobs as job_rows
from imgen.records.tables.ledger import ledger as entries

DISABLED = (401, "API key is disabled")


def error(response):
    assert list(response.json()) == ["error"], response.text
    return response.status_code, response.json()["error"]


def rows(shared_database) -> tuple[int, int]:
    """Numbers of jobs and ledger entries."""
    with shared_database.read() as connection:
        return tuple(
            connection.execute(select(func.count()).select_from(table)).scalar() for table in (job_rows, entries)
        )


def generate(api, **fields):
    return api.post({"action": "generate", "prompt": "red coat"} | fields)


def status(api, job_id):
    return api.post({"action": "status", "id": job_id})


def await_answer(ask, wanted, within_s=60):
    """Asks until the answer is the wanted one; seconds it took."""
    started = time.monotonic()
    while (answer := ask()) != wanted:
        assert time.monotonic() - started < within_s, answer
        time.sleep(0.05)
    return time.monotonic() - started
