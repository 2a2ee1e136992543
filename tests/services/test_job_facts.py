"""Facts of jobs in memory: those that were asked for last, within the limits of their number and of their texts."""

import pytest
from factories import make_job
from msgspec import structs

from imgen.services.job_facts import JobFacts, JobFactsCache, facts_of

FACTS = facts_of(make_job())


def of_length(chars: int) -> JobFacts:
    """Facts of a job with a prompt of so many characters."""
    return structs.replace(FACTS, original_prompt="", final_prompt="x" * chars)


def known(cache: JobFactsCache) -> str:
    """Names of the jobs that are remembered."""
    return "".join(name for name in "abcde" if cache.get(name) is not None)


@pytest.mark.parametrize(
    ("limits", "lengths", "kept"),
    [
        ({"capacity": 2}, (1, 1, 1), "bc"),
        ({"most_chars": 100}, (40, 40, 20, 30), "bcd"),
        ({"most_chars": 100}, (40, 40, 100), "c"),
        ({"most_chars": 100}, (40, 101), ""),
    ],
)
def test_the_oldest_are_forgotten(limits, lengths, kept):
    """Until the rest is within the limits; what is too long alone is not remembered."""
    cache = JobFactsCache(**limits)
    for name, chars in zip("abcde", lengths, strict=False):
        cache.put(name, of_length(chars))
    assert known(cache) == kept


def test_what_is_asked_for_stays():
    """A job that was looked up is the latest, and one that is put again counts once."""
    cache = JobFactsCache(most_chars=100)
    for name, chars in (("a", 30), ("b", 30), ("a", 40), ("b", 30)):
        cache.put(name, of_length(chars))
    assert cache.get("a") == of_length(40)
    cache.put("c", of_length(50))
    assert known(cache) == "ac"
