"""The circuit breaker, by its clock."""

from imgen.domain.circuit_breaker import CircuitBreaker


def test_it_opens_after_failures_in_a_row_and_lets_one_through_after_the_pause():
    """Two failures change nothing, the third closes the door; after the pause one may try, and success opens it for all."""
    now = [0.0]
    breaker = CircuitBreaker(failures=3, pause_s=10, clock=lambda: now[0])
    for _ in range(2):
        breaker.failed()
        assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    now[0] = 9.9
    assert not breaker.allows()
    now[0] = 10.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.failed()
    now[0] = 19.9
    assert not breaker.allows()
    now[0] = 20.0
    assert breaker.allows()
    breaker.succeeded()
    assert [breaker.allows() for _ in range(3)] == [True, True, True]


def test_a_success_between_failures_starts_the_count_anew():
    """Only failures in a row count."""
    breaker = CircuitBreaker(failures=2)
    for _ in range(5):
        breaker.failed()
        assert breaker.allows()
        breaker.succeeded()
