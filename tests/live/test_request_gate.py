"""The rate limit, and the epoch that is read with it."""

from imgen.live import epochs, request_gate


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
