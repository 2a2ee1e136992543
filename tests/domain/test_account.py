"""Plans: a rate has to carry the polls of the plan's open jobs."""

import pytest

from imgen.domain.account import Plan


def plan(rate: int, jobs: int) -> Plan:
    return Plan(key="small", label="Small", requests_per_minute=rate, open_jobs=jobs)


@pytest.mark.parametrize(("rate", "jobs"), [(0, 0), (0, 1000), (20, 1), (100, 5), (120, 5)])
def test_a_rate_that_carries_the_polls_is_fine(rate, jobs):
    """Twenty polls a minute for each open job; no rate carries any number."""
    assert plan(rate, jobs).shortfall == ""


@pytest.mark.parametrize(("rate", "jobs"), [(19, 1), (60, 5), (60, 0)])
def test_a_rate_that_does_not_is_told(rate, jobs):
    """With the plan and both numbers; a rate carries no unlimited number of jobs."""
    told = plan(rate, jobs).shortfall
    assert "plan small" in told
    assert str(rate) in told
