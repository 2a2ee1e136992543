"""Token buckets: a burst, then a steady rate."""

from imgen.domain.token_bucket import TokenBucket


def test_a_burst_then_a_steady_rate():
    """As many as it holds at once, then one each time the rate has refilled it; it never holds more."""
    bucket = TokenBucket(0.0, capacity=3, per_s=0.5)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s(0.0) == 2
    assert [bucket.take(now) for now in (1.0, 2.0, 2.5)] == [False, True, False]
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_a_refused_take_costs_nothing():
    """Asking for too much takes nothing away."""
    bucket = TokenBucket(0.0, capacity=1, per_s=1)
    assert not bucket.take(0.0, 2)
    assert bucket.take(0.0, 0.25)
    assert bucket.wait_s(0.0) == 0.25
