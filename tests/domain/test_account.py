"""Plans: a rate has to carry the polls of the plan's open jobs; a plan names the surfaces that it includes."""

import pytest

from imgen.domain.account import Plan, parse_plan
from imgen.domain.errors import Forbidden, SurfaceNotInPlan, TierNotInPlan


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


def test_slower_polls_need_less_of_a_rate():
    """A plan may ask its clients to poll less often than the reference says."""
    told = parse_plan("pro", {"label": "Pro", "requests_per_minute": 30, "open_jobs": 5})
    assert told.shortfall
    assert (
        parse_plan("pro", {"label": "Pro", "requests_per_minute": 30, "open_jobs": 5, "poll_every_s": 10}).shortfall
        == ""
    )


@pytest.mark.parametrize("surface", ["action", "playground", "panel"])
def test_a_plan_includes_the_surfaces_that_it_names(surface):
    """None named: all. The pages of the web face are one surface."""
    Plan(key="all", label="All").require_surface(surface)
    Plan(key="some", label="Some", surfaces=("forge", "action", "web")).require_surface(surface)
    with pytest.raises(SurfaceNotInPlan, match="^Plan does not include this surface$") as refused:
        Plan(key="other", label="Other", surfaces=("forge",)).require_surface(surface)
    assert isinstance(refused.value, Forbidden)


def test_a_plan_includes_the_tiers_that_it_names():
    """None named: all. A request without a tier needs none."""
    Plan(key="all", label="All").require_tier("ultra")
    some = Plan(key="some", label="Some", tiers=("draft", "standard"))
    some.require_tier("draft")
    some.require_tier("")
    with pytest.raises(TierNotInPlan) as refused:
        some.require_tier("ultra")
    assert isinstance(refused.value, Forbidden)
