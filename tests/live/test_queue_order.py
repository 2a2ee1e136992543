"""Order of a worker's queues: by age, staying with the loaded model for a bounded time."""

import time

import pytest
import redis

from imgen.live.queue import Publisher, lists_of
from imgen.live.queue_order import OldestQueueFirst

A, B, C = "render.a", "render.b", "render.c"
STAY_S = 10.0


@pytest.fixture
def publisher(clean_redis):
    opened = Publisher(clean_redis)
    yield opened
    opened.close()


@pytest.fixture
def clock():
    """Hands of a clock."""
    return [time.time()]


@pytest.fixture
def order(clean_redis, clock):
    made = OldestQueueFirst(clean_redis, stay_s=STAY_S, clock=lambda: clock[0])
    made.update([A, B, C])
    return made


def take(order, clean_redis):
    """Takes a message as a worker would: from the first list that has one."""
    with redis.Redis.from_url(clean_redis) as client:
        for queue in order.consume(3):
            for name in lists_of(queue):
                if client.rpop(name) is not None:
                    return order.rotate(queue)
    return None


def test_empty_queues_are_all_listened_to(order, publisher):
    """Until one of them has a message."""
    assert order.consume(3) == [A, B, C]
    publisher.publish(B, "run_1", 3)
    assert order.consume(3) == [B]
    assert order.consume(1) == [A]


def test_the_oldest_comes_first_whatever_its_priority(order, publisher, clean_redis):
    """A queue is chosen by age, not by the order in which the worker names it or the plan of its jobs."""
    for queue, priority in ((C, 9), (B, 0), (A, 3)):
        publisher.publish(queue, f"run_{queue}", priority)
    assert [take(order, clean_redis) for _ in range(4)] == [C, B, A, None]


@pytest.mark.parametrize(("flood", "lone"), [(3, 3), (0, 9), (9, 0)])
def test_a_flood_holds_another_model_up_for_a_bounded_time(order, publisher, clean_redis, clock, flood, lone):
    """The worker stays with the model of the flood, older and newer jobs, then serves the other one and comes back."""
    for number in range(40):
        publisher.publish(A, f"run_{number}", flood)
    taken = [take(order, clean_redis)]
    publisher.publish(B, "run_b", lone)
    for _ in range(30):
        clock[0] += 1
        publisher.publish(A, "run_new", flood)
        taken.append(take(order, clean_redis))
    assert taken.count(B) == 1
    assert taken.index(B) == STAY_S
    assert set(taken) == {A, B}


def test_several_floods_take_turns(order, publisher, clean_redis, clock):
    """None of three models waits longer than the others may stay, and models change no oftener than that."""
    for queue in (A, B, C):
        for number in range(100):
            publisher.publish(queue, f"run_{number}", 3)
    taken = []
    for _ in range(90):
        taken.append(take(order, clean_redis))
        clock[0] += 1
    changes = [index for index in range(1, len(taken)) if taken[index] != taken[index - 1]]
    assert changes == list(range(10, 90, 10))
    assert {queue: taken.count(queue) for queue in (A, B, C)} == {A: 30, B: 30, C: 30}


def test_messages_of_another_version_are_taken(order, clean_redis):
    """Without the header, and garbage too: the worker gets them out of the way."""
    with redis.Redis.from_url(clean_redis) as client:
        client.lpush(lists_of(B)[0], b'{"headers": {}}')
        client.lpush(lists_of(C)[2], b"garbage", b"[]")
    assert sorted(take(order, clean_redis) for _ in range(3)) == [B, C, C]


def test_without_redis_nothing_is_chosen(tmp_path):
    """The worker's own connection finds out then."""
    order = OldestQueueFirst(f"unix://{tmp_path}/none.sock", stay_s=STAY_S)
    order.update([A, B])
    assert order.consume(2) == [A, B]
