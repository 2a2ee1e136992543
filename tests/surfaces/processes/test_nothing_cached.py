"""Requests for cached pictures where nothing is cached."""

import pytest
from surfaces.processes.calls import error, generate, rows, status


def test_only_the_cache_was_wanted(api, shared_database):
    """`use_cache` with `cache_only` finds nothing and makes nothing; `cache_only` alone counts for nothing."""
    before = rows(shared_database)
    for more in ({}, {"cache_force": True, "cache_pick": 10}, {"optimize": True}):
        missed = generate(api, use_cache=True, cache_only=True, **more)
        assert error(missed) == (404, "No cached result found")
    assert rows(shared_database) == before
    assert generate(api, cache_only=True).json()["id"].startswith("run_")
    made = generate(api, use_cache=True)
    assert made.json()["id"].startswith("run_")
    assert "cache" not in made.json()


@pytest.mark.parametrize(
    ("job_id", "answer"),
    [
        ("cache_" + "0" * 32, (404, "Cached result not found or expired")),
        ("cache_0123456789abcdef0123456789abcdef", (404, "Cached result not found or expired")),
        ("run_" + "A" * 22, (404, "Job not found")),
        ("cache_" + "A" * 32, (400, "Bad ID")),
        ("cache_" + "0" * 31, (400, "Bad ID")),
        ("cache_", (400, "Bad ID")),
    ],
)
def test_an_unknown_cached_result(api, job_id, answer):
    """A well-formed `cache_` id that nobody has is told apart from one that is no id, and from an unknown job."""
    assert error(status(api, job_id)) == answer
