"""Waiting jobs: the fair order of a queue, and a place in the queue of one's own model."""

from dataclasses import dataclass, field

import pytest
import redis
from factories import make_job
from hypothesis import given, settings
from hypothesis import strategies as st

from imgen.live import waiting
from imgen.live.executors import BlockingExecutor
from imgen.live.waiting import KEYS

EROS, OTHER = "render.eros", "render.other"


def add(live, job_id, tenant="a", *, queue=EROS, priority=3, created_at=1e9):
    live.run(waiting.add(waits(job_id, tenant, queue, priority, created_at)))


def waits(job_id, tenant, queue=EROS, priority=3, created_at=1e9):
    return make_job(id=job_id, tenant_id=tenant, queue=queue, priority=priority, created_at=created_at)


def flood(live, tenant, number, **fields):
    for index in range(number):
        add(live, f"{tenant}{index}", tenant, **{"created_at": 1e9 + index} | fields)


def take(live, queue=EROS, group=""):
    taken = live.run(waiting.take(queue, group))
    return None if taken is None else taken.id


def take_all(live, queue=EROS):
    return list(iter(lambda: take(live, queue), None))


def places(live, *job_ids, queue=EROS):
    return [live.run(waiting.position(queue, job_id)) for job_id in job_ids]


def keys_of(url):
    with redis.Redis.from_url(url) as client:
        return sorted(name.decode() for name in client.keys("imgen:waiting:*"))


def test_places_follow_priority_then_time(live):
    """The more urgent job stands before the earlier one, and a job that left is not counted."""
    for job_id, priority, created_at in (("late", 3, 2e9), ("early", 3, 1e9), ("urgent", 0, 3e9)):
        add(live, job_id, priority=priority, created_at=created_at)
    assert places(live, "urgent", "early", "late") == [0, 1, 2]
    live.run(waiting.remove(EROS, ["early"]))
    assert places(live, "late", "early") == [1, None]
    assert live.run(waiting.count([EROS])) == 2


def test_jobs_of_another_model_are_no_part_of_the_place(live):
    """A flood of one model leaves the first job of another one at its first place; all are counted together."""
    flood(live, "a", 5, priority=0)
    add(live, "lone", queue=OTHER, priority=9, created_at=2e9)
    assert places(live, "lone", queue=OTHER) == [0]
    assert places(live, "lone") == [None]
    assert live.run(waiting.count([EROS, OTHER])) == 6
    assert live.run(waiting.are_waiting([(OTHER, "lone"), (EROS, "lone")])) == [True, False]


def test_a_newcomer_is_next(live):
    """Amid a flood of one tenant, another's first job is told the first place, and is the next that is taken."""
    flood(live, "a", 500)
    assert [take(live) for _ in range(3)] == ["a0", "a1", "a2"]
    add(live, "lone", "b", created_at=2e9)
    assert places(live, "lone", "a3", "a499") == [0, 1, 497]
    assert [take(live), take(live)] == ["lone", "a3"]


def test_tenants_get_equal_shares_whenever_they_come(live):
    """A tenant that comes late gets its share from then on, none for the time before."""
    flood(live, "a", 40)
    assert len([take(live) for _ in range(20)]) == 20
    flood(live, "b", 40, created_at=2e9)
    flood(live, "c", 40, created_at=3e9)
    taken = [take(live)[0] for _ in range(30)]
    assert {tenant: taken.count(tenant) for tenant in "abc"} == {"a": 10, "b": 10, "c": 10}


def test_one_who_sends_job_by_job_gets_no_more(live):
    """A tenant that sends the next job when the last is taken has the share of those that wait with many."""
    flood(live, "a", 50)
    flood(live, "b", 50)
    taken = []
    for number in range(60):
        if not taken or taken[-1] == "c":
            add(live, f"c{number}", "c", created_at=2e9 + number)
        taken.append(take(live)[0])
    assert {tenant: taken.count(tenant) for tenant in "abc"} == {"a": 20, "b": 20, "c": 20}


def test_what_is_withdrawn_costs_no_share(live):
    """A tenant that cancels most of a flood stands where its remaining job would stand alone."""
    flood(live, "a", 50)
    flood(live, "b", 50)
    live.run(waiting.remove(EROS, [f"a{number}" for number in range(49)]))
    assert places(live, "a49") == [0]
    add(live, "a_new", "a", created_at=2e9)
    assert places(live, "a_new") == [3], "after the first of each, and an older second"


def test_companions_count_as_their_tenants_share(live):
    """After a batch of four the others of the priority get four each before the tenant's next."""
    flood(live, "a", 20)
    flood(live, "b", 20)
    assert take(live) == "a0"
    for job_id in ("a1", "a2", "a3"):
        live.run(waiting.serve(EROS, job_id))
    assert [take(live) for _ in range(6)] == ["b0", "b1", "b2", "b3", "a4", "b4"]


def test_a_job_that_comes_back_is_the_first_of_its_tenant(live):
    """An older job fills the tenant's next slot; the tenant waits its turn for it, and one put back keeps its words."""
    flood(live, "a", 3)
    flood(live, "b", 3)
    taken = live.run(waiting.take(EROS))
    assert (taken.id, taken.tenant_id) == ("a0", "a")
    live.run(waiting.put_back(EROS, taken))
    assert take_all(live) == ["b0", "a0", "b1", "a1", "b2", "a2"]


def test_jobs_of_one_request_keep_its_order(live):
    """They were submitted at one time; their index in the batch decides."""
    for index, job_id in enumerate("cab"):
        live.run(waiting.add(make_job(id=job_id, queue=EROS, created_at=1e9, batch_index=index)))
    assert live.run(waiting.head(EROS, 9)) == take_all(live) == ["c", "a", "b"]


def test_no_key_outlives_its_jobs(live, clean_redis):
    """An empty queue leaves its latest shares alone, and they expire; the older version's key goes at a scan."""
    flood(live, "a", 5)
    flood(live, "b", 5)
    live.run(waiting.remove(EROS, ["a1", "gone"]))
    live.run(waiting.serve(EROS, "b4"))
    take_all(live)
    assert keys_of(clean_redis) == [f"imgen:waiting:{EROS}:served"]
    with redis.Redis.from_url(clean_redis) as client:
        assert client.zcard(f"imgen:waiting:{EROS}:served") <= 3
        assert 0 < client.ttl(f"imgen:waiting:{EROS}:served") <= 86400
        client.zadd(f"imgen:waiting:{EROS}", {"run_old": 3e12})
    assert live.run(waiting.scan(EROS, 0, count=10)) == (0, [])
    assert keys_of(clean_redis) == [f"imgen:waiting:{EROS}:served"]


@pytest.mark.parametrize("lost", KEYS)
def test_a_key_that_was_lost_is_made_anew(live, clean_redis, lost):
    """Without one of its keys a queue gives fewer jobs or none, never a wrong one, and takes all of them in again."""
    flood(live, "a", 3)
    with redis.Redis.from_url(clean_redis) as client:
        client.delete(f"imgen:waiting:{EROS}:{lost}")
    taken = take_all(live)
    assert taken == [f"a{number}" for number in range(len(taken))]
    for _ in range(2):
        flood(live, "b", 3)
    assert take_all(live) == ["b0", "b1", "b2"]


@dataclass
class Reference:
    """The order in plain Python: each tenant's jobs by age, and its slots; by priority."""

    jobs: dict[tuple[int, str], list[tuple[int, str]]] = field(default_factory=dict)
    slots: dict[tuple[int, str], list[tuple[int, int]]] = field(default_factory=dict)
    present: dict[int, int] = field(default_factory=dict)
    following: dict[tuple[int, str], int] = field(default_factory=dict)

    def add(self, job_id, priority, tenant, created):
        owner = (priority, tenant)
        if self.owner_of(job_id) is not None:
            return
        slots = self.slots.setdefault(owner, [])
        after = slots[-1][0] + 1 if slots else 0
        slots.append((max(self.present.get(priority, 0), self.following.get(owner, 0), after), created))
        self.jobs.setdefault(owner, []).append((created, job_id))
        self.jobs[owner].sort()

    def owner_of(self, job_id):
        return next((owner for owner, jobs in self.jobs.items() if job_id in [one for _, one in jobs]), None)

    def order(self):
        ranked = []
        for (priority, tenant), jobs in self.jobs.items():
            filled = zip(self.slots[priority, tenant], jobs, strict=True)
            ranked += [((priority, number, created, tenant), job_id) for (number, created), (_, job_id) in filled]
        return [job_id for _, job_id in sorted(ranked)]

    def leave(self, job_id, *, is_served, is_next=False):
        if (owner := self.owner_of(job_id)) is None:
            return
        self.jobs[owner] = [one for one in self.jobs[owner] if one[1] != job_id]
        number, _ = self.slots[owner].pop(0 if is_served else -1)
        if is_served:
            self.following[owner] = max(self.following.get(owner, 0), number + 1)
        if is_next:
            self.present[owner[0]] = max(self.present.get(owner[0], 0), number)


IDS = st.sampled_from([f"run_{number}" for number in range(12)])
STEPS = st.one_of(
    st.tuples(st.just("add"), IDS, st.sampled_from([0, 3, 9]), st.sampled_from(["a", "b", "ab"]), st.integers(1, 6)),
    st.tuples(st.just("take")),
    st.tuples(st.just("serve"), IDS),
    st.tuples(st.just("remove"), IDS),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_the_order_is_that_of_the_reference(redis_url, steps):
    """After any history, the jobs that are taken, their places and the listed head are those of the plain model."""
    live, model = BlockingExecutor(redis_url), Reference()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    try:
        for name, *words in steps:
            if name == "add":
                job_id, priority, tenant, created = words
                add(live, job_id, tenant, priority=priority, created_at=created)
                model.add(job_id, priority, tenant, created * 10**6)
            elif name == "take":
                first = next(iter(model.order()), None)
                assert take(live) == first
                model.leave(first, is_served=True, is_next=True)
            elif name == "serve":
                live.run(waiting.serve(EROS, *words))
                model.leave(*words, is_served=True)
            else:
                live.run(waiting.remove(EROS, words))
                model.leave(*words, is_served=False)
            order = model.order()
            assert live.run(waiting.head(EROS, 99)) == order
            assert places(live, *order) == list(range(len(order)))
            assert live.run(waiting.count([EROS])) == len(order)
    finally:
        live.close()
