"""Webhooks: pauses, `Retry-After`, secrets."""

import base64
import email.utils

import pytest

from imgen.domain.errors import Invalid
from imgen.domain.job import ENDED
from imgen.domain.webhook import EVENT_OF, check_events, new_secret, pause_s, retry_after_of
from imgen.settings.sections import Webhooks

PAUSES = Webhooks().retry_pauses_s


def test_every_end_has_an_event():
    """A timed-out job has failed."""
    assert EVENT_OF.keys() == ENDED
    assert set(EVENT_OF.values()) == {"job.completed", "job.blocked", "job.failed", "job.cancelled"}


def test_pauses_are_those_of_the_specification():
    """Ten tries: at once, after 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h, a tenth of each at random."""
    assert [each / 60 for each in PAUSES[1:]] == [5, 30, *(hours * 60 for hours in (2, 5, 10, 14, 20, 24))]
    for attempt, pause in enumerate(PAUSES, 1):
        early, late = (pause_s(PAUSES, attempt, jitter=jitter, retry_after_s=None) for jitter in (0.0, 1.0))
        assert (early, late) == (pytest.approx(pause * 0.95), pytest.approx(pause * 1.05))
    assert pause_s(PAUSES, 10, jitter=0.5, retry_after_s=1) is None


def test_a_receivers_wish_makes_a_pause_longer_up_to_a_day():
    """Never shorter."""
    assert pause_s(PAUSES, 1, jitter=0.5, retry_after_s=60) == 60
    assert pause_s(PAUSES, 2, jitter=0.5, retry_after_s=60) == 300
    assert pause_s(PAUSES, 1, jitter=0.5, retry_after_s=1e9) == 86_400


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("٧", None),
        ("9" * 5000, 999_999_999.0),
        ("1 Jan 99999999999999999999 00:00:00", None),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 251_602_300_799.0 + 1_800_000_000 - 1_764_000_000),
        (email.utils.formatdate(1_764_000_090, usegmt=True), 90.0),
        (email.utils.formatdate(1_763_000_000, usegmt=True), 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    """Anything else is as if it were not there."""
    assert retry_after_of(value, now=1_764_000_000) == seconds


def test_a_secret_has_32_random_bytes():
    """In the form of the specification."""
    words = new_secret().get_secret_value()
    assert words.startswith("whsec_")
    assert len(base64.b64decode(words.removeprefix("whsec_"), validate=True)) == 32
    assert new_secret() != new_secret()


def test_events_are_checked_and_put_in_order():
    """An unknown one is named."""
    assert check_events(["job.failed", "job.completed"]) == ("job.completed", "job.failed")
    with pytest.raises(Invalid, match=r"no event 'job\.done'"):
        check_events(["job.done"])
    with pytest.raises(Invalid, match="Choose"):
        check_events([])
