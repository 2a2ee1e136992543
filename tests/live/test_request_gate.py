"""The rate limit, and the epoch that is read with it."""

import pytest

from imgen.live import epochs, request_gate
from imgen.live.command import Command, first


def test_the_window_slides(live):
    """Requests of the last minute count on into the next one, by the share of it that still lies within a minute."""
    start = 600.0
    for n in range(10):
        check = live.run(request_gate.hit("key_1", start + 59))
        assert check.requests == n + 1
        assert check.is_first == (n == 0)
    halfway = live.run(request_gate.hit("key_1", start + 90))
    assert halfway.requests == 10 * 0.5 + 1
    assert live.run(request_gate.hit("key_2", start + 90)).requests == 1


def test_a_changed_key_changes_the_epoch(live):
    """Each change gives another token, so a counter that starts over cannot repeat one."""
    seen = {live.run(request_gate.hit("key_1", 0.0)).epoch}
    for _ in range(3):
        live.run(epochs.bump(epochs.KEYS))
        seen.add(live.run(request_gate.hit("key_1", 0.0)).epoch)
    assert len(seen) == 4


def test_reading_the_rate_counts_nothing(live):
    """It is what the next request will find, less that one; an unknown key has none."""
    for _ in range(3):
        live.run(request_gate.hit("key_1", 60.0))
    assert [live.run(request_gate.count("key_1", 60.0)) for _ in range(2)] == [3, 3]
    assert live.run(request_gate.count("key_1", 150.0)) == 1.5
    assert live.run(request_gate.count("key_2", 60.0)) == 0


def test_an_uncounted_request_leaves_no_trace(live):
    """Its counter is what it was, and one that has expired is not made again for ever."""
    for _ in range(3):
        live.run(request_gate.hit("key_1", 600.0))
    live.run(request_gate.uncount("key_1", 600.0))
    assert live.run(request_gate.hit("key_1", 601.0)).requests == 3
    live.run(request_gate.uncount("key_2", 600.0))
    assert live.run(request_gate.hit("key_2", 601.0)).requests == 1
    ttl = live.run(Command((("TTL", "imgen:requests:key_2:10"),), first))
    assert 0 < ttl <= 2 * request_gate.WINDOW_S


@pytest.mark.parametrize("limit", [1, 7, 60])
@pytest.mark.parametrize("start", [600.0, 617.3, 659.9])
def test_the_time_to_wait_is_exact(live, limit, start):
    """After it one more request is within the limit, and a second earlier none is."""
    for before in (60.0, 0.0):  # a full window, then a full one again
        now = start - before
        while (check := live.run(request_gate.hit("key_1", now))).requests <= limit:
            pass
        live.run(request_gate.uncount("key_1", now))
    wait_s = check.wait_s(limit)
    assert wait_s > 0

    def would_be(at):
        found = live.run(request_gate.hit("key_1", at)).requests
        live.run(request_gate.uncount("key_1", at))
        return found

    assert would_be(start + wait_s + 0.01) <= limit
    assert wait_s < 1 or would_be(start + wait_s - 1) > limit
