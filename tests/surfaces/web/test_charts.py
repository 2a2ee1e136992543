"""Charts and formats of values, without a browser."""

import time

import pytest

from imgen.surfaces.web import charts, filters


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0, 2), (1, 2), (2, 2), (3, 4), (5, 10), (10, 10), (11, 20), (99, 100), (100, 100), (101, 200), (1234, 2000), (87_654, 100_000)],
)  # fmt: skip
def test_the_axis_ends_at_a_number_that_reads_well(highest, top):
    """No bar is higher than the axis, and half of it is a whole number of one digit and zeros."""
    chart = charts.bars([0, highest, 0], ["a", "b", "c"])
    assert (chart.top, chart.highest) == (top, highest)
    assert chart.ticks == (top, top // 2, 0)
    assert chart.ends == ("a", "b", "c")


def test_an_age_becomes_a_date():
    """Within a day it is told as an age, before that as an ISO date; the time itself is always there."""
    now = time.time()
    assert [filters.age(now - seconds) for seconds in (1, 150, 7300)] == ["just now", "2 min ago", "2 h ago"]
    last_year = now - 365 * 86400
    day, moment = filters.day(last_year), filters.moment(last_year)
    assert filters.age(last_year) == day == moment[:10]
    assert filters.ago(None) == ""
    assert str(filters.ago(last_year)) == (
        f'<time datetime="{moment.replace(" UTC", "Z")}" title="{moment}">{day}</time>'
    )
