"""Limits over OpenAI's dialect, with the hints that its clients heed."""

import time

from sqlalchemy import insert
from surfaces.openai.answered import failure

from imgen import composition
from imgen.records import ledger
from imgen.records.tables.accounts import tenants
from imgen.records.tables.ledger import counters


def test_a_rate_is_told_with_the_time_to_wait(openai):
    """429 with the wait in seconds and in milliseconds; the clients may try again by themselves."""
    key = openai.new_key("hurried", plan="pro")
    for _ in range(62):  # of 30 a minute, over a minute's turn
        answer = openai.call("GET", "/v1/models", key=key)
        if answer.status_code == 429:
            break
    assert failure(answer) == (429, "rate_limit_exceeded", None)
    assert int(answer.headers["retry-after"]) * 1000 == int(answer.headers["retry-after-ms"]) > 0
    assert "x-should-retry" not in answer.headers


def test_a_used_up_quota_is_not_tried_again(openai):
    """429 with a code of its own, and a header that keeps the clients from a retry."""
    key = openai.new_key("used-up", plan="free")
    (owner,) = [row.id for row in openai.read(tenants) if row.name == "used-up"]
    database = composition.open_database(openai.api.settings)
    try:
        for period in {*ledger.periods(time.time()), *ledger.periods(time.time() + 600)}:
            row = {"owner": owner, "period": period, "pictures": 100}
            database.attempt(lambda connection, row=row: connection.execute(insert(counters).values(row)))
    finally:
        database.close()
    answer = openai.generate(key=key).result()
    assert failure(answer) == (429, "insufficient_quota", None)
    assert answer.json()["error"]["type"] == "insufficient_quota"
    assert answer.headers["x-should-retry"] == "false"


def test_more_pictures_than_open_jobs_are_refused(openai):
    """A plan of three open jobs does not take four at once."""
    key = openai.new_key("small", plan="free")
    assert failure(openai.generate(key=key, n=4).result()) == (400, "invalid_value", "n")


def test_a_body_over_the_limit_is_refused(openai):
    """413, of JSON at the limit of every request."""
    answer = openai.call("POST", "/v1/images/generations", content=b" " * (13 * 1024**2))
    assert failure(answer) == (413, "request_too_large", None)
