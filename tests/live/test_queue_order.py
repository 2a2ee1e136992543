"""Order of a worker's queues: priority, share, age, staying with loaded models for a bounded time."""

import time

import pytest
import redis
from factories import make_job

from imgen.live import waiting, workers
from imgen.live.queue import Publisher, lists_of
from imgen.live.queue_order import QueueOrder
from imgen.live.workers import WorkerHeartbeat

A, B, C = "render.a", "render.b", "render.c"
STAY_S = 10.0
NAME = "render@host[1]"


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
    made = QueueOrder(clean_redis, worker=NAME, stay_s=STAY_S, clock=lambda: clock[0])
    made.update([A, B, C])
    return made


@pytest.fixture
def submit(publisher, live, clock):
    """Adds waiting jobs with their messages, all of one time."""

    def add(queue, tenant="a", number=1, priority=3):
        for _ in range(number):
            job = make_job(queue=queue, tenant_id=tenant, priority=priority, created_at=clock[0])
            live.run(waiting.add(job))
            publisher.publish(queue, job.id, priority)

    return add


def pop(order, clean_redis):
    """Takes a message as a worker would: from the first list that has one."""
    with redis.Redis.from_url(clean_redis) as client:
        for queue in order.consume(3):
            for name in lists_of(queue):
                if client.rpop(name) is not None:
                    return order.rotate(queue)
    return None


@pytest.fixture
def take(order, live, clean_redis):
    """Takes a message and the job that it is used for; gives its queue and tenant."""

    def one():
        if (queue := pop(order, clean_redis)) is None:
            return None
        return queue, live.run(waiting.take(queue, waiting.group_of([A, B, C]))).tenant_id

    return one


def tell_loaded(live, *models, name=f"{NAME} #1", at=1000.0):
    told = WorkerHeartbeat(name=name, queues=(A, B, C), pid=1, memory_bytes=1, models=models, since=1.0, at=at)
    live.run(workers.publish(told))


def test_empty_queues_are_all_listened_to(order, publisher):
    """Until one of them has a message."""
    assert order.consume(3) == [A, B, C]
    publisher.publish(B, "run_1", 3)
    assert order.consume(3) == [B]
    assert order.consume(1) == [A]


def test_messages_without_known_jobs_come_by_priority_then_age(order, publisher, clean_redis):
    """As after Redis lost the order: not by the order in which the worker names its queues."""
    for queue, priority in ((C, 3), (B, 9), (A, 3)):
        publisher.publish(queue, f"run_{queue}", priority)
    assert [pop(order, clean_redis) for _ in range(4)] == [C, A, B, None]


def test_priority_comes_before_age(submit, take):
    """Whatever the model, the more urgent jobs come first, even if they are of a tenant that had more."""
    submit(C, number=2, priority=9)
    submit(B, number=3, priority=0)
    submit(A, "b", priority=3)
    assert [take()[0] for _ in range(6)] == [B, B, B, A, C, C]


def test_tenants_share_between_models_that_are_loaded(submit, take, live):
    """One that floods a model gets as much as each of those that share another one, and changing costs no time."""
    tell_loaded(live, "a", "b", "c")
    submit(A, "x", 40)
    for tenant in "yz":
        submit(B, tenant, 40)
    taken = [take() for _ in range(30)]
    tenants = [tenant for _, tenant in taken]
    assert {tenant: tenants.count(tenant) for tenant in "xyz"} == {"x": 10, "y": 10, "z": 10}


def test_a_model_that_is_loaded_waits_for_no_other(submit, take, live):
    """The lone job of another tenant and another model is next, as both models fit the memory."""
    tell_loaded(live, "a", "b")
    submit(A, "x", 40)
    assert take() == (A, "x")
    submit(B, "y")
    assert [take(), take()] == [(B, "y"), (A, "x")]


@pytest.mark.parametrize("loaded", [("a",), ("a", "c")])
def test_a_flood_holds_another_model_up_for_a_bounded_time(submit, take, live, clock, loaded):
    """The worker stays with loaded models, older and newer jobs of the flood, then serves the other one and comes back."""
    submit(A, "x", 40)
    taken = [take()[0]]
    tell_loaded(live, *loaded)
    for queue in {C} & {f"render.{model}" for model in loaded}:
        submit(queue, "x", 40)
    submit(B, "y")
    for _ in range(30):
        clock[0] += 1
        submit(A, "x")
        taken.append(take()[0])
    assert taken.count(B) == 1
    assert taken.index(B) == STAY_S
    assert set(taken) == {B, *(f"render.{model}" for model in loaded)}


def test_a_model_counts_as_loaded_where_all_processes_have_it(submit, take, live, clock):
    """The message may come to any of them; those that ended and those of another worker do not count."""
    tell_loaded(live, "a", "b")
    tell_loaded(live, "a", name=f"{NAME} #2")
    submit(A, "x", 9)
    assert take()[0] == A
    submit(B, "y", 9)
    clock[0] += 1
    assert take()[0] == A
    tell_loaded(live, "a", "b", name=f"{NAME} #1", at=2000.0)
    tell_loaded(live, "c", name="render@host1 #3", at=2000.0)
    assert take()[0] == B


def test_several_floods_take_turns(submit, take, clock):
    """None of three models waits longer than the others may stay, and models change no oftener than that."""
    for queue in (A, B, C):
        submit(queue, number=100)
    taken = []
    for _ in range(90):
        taken.append(take()[0])
        clock[0] += 1
    changes = [index for index in range(1, len(taken)) if taken[index] != taken[index - 1]]
    assert changes == list(range(10, 90, 10))
    assert {queue: taken.count(queue) for queue in (A, B, C)} == {A: 30, B: 30, C: 30}


def test_messages_that_are_left_over_hold_nothing_up(submit, take, publisher, live, order, clean_redis):
    """Those of jobs that were drawn as companions come after all jobs that wait, and keep the worker at no model."""
    submit(A)
    assert take()[0] == A
    for _ in range(20):
        publisher.publish(A, "run_done", 0)
    submit(B, number=2)
    assert [take()[0], take()[0]] == [B, B]
    assert pop(order, clean_redis) == A


def test_messages_of_another_version_are_taken(order, clean_redis):
    """Without the header, and garbage too: the worker gets them out of the way."""
    with redis.Redis.from_url(clean_redis) as client:
        client.lpush(lists_of(B)[0], b'{"headers": {}}')
        client.lpush(lists_of(C)[2], b"garbage", b"[]")
    assert sorted(pop(order, clean_redis) for _ in range(3)) == [B, C, C]


def test_without_redis_nothing_is_chosen(tmp_path):
    """The worker's own connection finds out then."""
    order = QueueOrder(f"unix://{tmp_path}/none.sock", worker=NAME, stay_s=STAY_S)
    order.update([A, B])
    assert order.consume(2) == [A, B]
