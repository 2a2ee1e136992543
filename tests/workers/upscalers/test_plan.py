"""Choice of a network for a factor."""

import pytest

from workers.upscalers import Plan, plan

BOTH = {"2": "two", "4": "four"}


@pytest.mark.parametrize(
    ("factor", "configured", "expected"),
    [
        (2, {}, None),
        (4, {}, None),
        (2, BOTH, Plan(name="two", scale=2, passes=1, reduction=1)),
        (4, BOTH, Plan(name="four", scale=4, passes=1, reduction=1)),
        (4, {"2": "two"}, Plan(name="two", scale=2, passes=2, reduction=1)),
        (2, {"4": "four"}, Plan(name="four", scale=4, passes=1, reduction=2)),
    ],
)
def test_the_network_of_the_factor_comes_first(factor, configured, expected):
    """Without it ×2 is used twice, or ×4 is halved; without any there is no plan."""
    assert plan(factor, configured) == expected
