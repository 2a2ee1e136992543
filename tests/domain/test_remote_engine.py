"""Remote engines: amounts of money as text."""

import msgspec
import pytest

from imgen.domain.engine_options import EngineChoice
from imgen.domain.remote_engine import MAX_PRICE, amount_text, micros, parse_remote_engine


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (10, "10.00"),
        (0.003, "0.003"),
        (0.1 + 0.2, "0.30"),
        (1234.5, "1,234.50"),
        (0.000001, "0.000001"),
        (-2.25, "-2.25"),
        (9_007_199_254.740_99, "9,007,199,254.74099"),
    ],
)
def test_amounts_are_written_exactly(amount, text):
    """With two decimals, or as many as they have."""
    assert amount_text(micros(amount)) == text


def test_the_host_of_an_engine_has_its_port():
    """A kind's own URL counts where the entry has none."""
    hosts = [
        parse_remote_engine("one", {"kind": "openai", **fields}).host
        for fields in ({}, {"base_url": "http://[::1]:80/v1"})
    ]
    assert hosts == ["api.openai.com", "[::1]:80"]


@pytest.mark.parametrize("field", ["price", "monthly_cap", "timeout_s", "connect_timeout_s", "pause_s"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1.0, 1e300])
def test_amounts_and_times_are_numbers_that_can_be_booked(field, value):
    """TOML has `inf` and `nan`; a month's sum has to be an integer of the database."""
    with pytest.raises(msgspec.ValidationError, match=field):
        parse_remote_engine("one", {"kind": "openai", field: value})
    if field == "price":
        with pytest.raises(msgspec.ValidationError, match=field):
            msgspec.convert({"engine": "one", field: value}, EngineChoice)


def test_the_highest_amounts_fit():
    """A month's, too."""
    highest = parse_remote_engine("one", {"kind": "openai", "price": MAX_PRICE, "monthly_cap": MAX_PRICE * 1000})
    assert highest.cap_micros + micros(highest.price) < 2**63
