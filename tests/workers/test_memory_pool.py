"""The memory pool: what is loaded stays while it fits, the longest unused goes first, memory that runs out is a reason to try again."""

import pytest

from imgen.domain.errors import ModelError, OutOfMemory
from workers.memory_budget import main_memory, open_budget, open_limit
from workers.memory_pool import Demand, MemoryPool

BUDGET = 100


class Held:
    """An entry of a size, which tells whether it is still loaded."""

    def __init__(self, size):
        self.memory_bytes = size
        self.is_loaded = True

    def unload(self):
        self.is_loaded = False


@pytest.fixture
def pool():
    return MemoryPool(lambda _device: BUDGET)


def load(pool, key, size, *, told=None, device="cpu"):
    return pool.load(key, Demand(size if told is None else told, device), lambda take_room: take_room() or Held(size))


def test_entries_stay_while_they_fit_and_the_longest_unused_goes_first(pool):
    """A use counts, not the order in which they were loaded."""
    first, second = load(pool, "first", 40), load(pool, "second", 60)
    assert pool.used_bytes() == BUDGET
    assert pool.get("first") is first
    load(pool, "third", 30)
    assert (first.is_loaded, second.is_loaded) == (True, False)
    assert pool.get("second") is None
    assert pool.used_bytes() == 70


def test_room_is_made_when_the_load_asks_for_it(pool):
    """So that both are never in memory together, and what can fail before fails before."""
    first = load(pool, "first", 60)
    seen = []

    def read(take_room):
        seen.append(first.is_loaded)
        take_room()
        seen.append(first.is_loaded)
        return Held(60)

    pool.load("second", Demand(60), read)
    assert seen == [True, False]


def test_what_fails_before_it_takes_room_evicts_nobody(pool):
    """As a file does that is read for a GPU; it need not fit beside the others."""
    first = load(pool, "first", 60)

    def fail(_take_room):
        raise ModelError("broken")

    with pytest.raises(ModelError):
        pool.load("broken", Demand(60), fail)
    assert first.is_loaded


def test_an_entry_that_cannot_fit_is_refused_with_the_sizes():
    """Larger than the budget it may be, if it is alone; larger than the device it may not."""
    pool = MemoryPool(lambda _device: 2**30, lambda _device: 2**31)
    pool.refuse_too_large(Demand(2**31))
    with pytest.raises(ModelError, match="it takes 3 GiB, and 2 GiB is the most on cpu"):
        pool.refuse_too_large(Demand(3 * 2**30))
    with pytest.raises(ModelError, match="1 GiB is the most"):
        MemoryPool(lambda _device: 2**30).refuse_too_large(Demand(2**31))


def test_an_entry_larger_than_it_was_said_to_be_evicts_others_afterwards(pool):
    """The sum comes back under the budget; the entry itself stays, also where it alone is larger."""
    first = load(pool, "first", 60)
    large = load(pool, "large", 70, told=10)
    assert (first.is_loaded, large.is_loaded, pool.used_bytes()) == (False, True, 70)
    assert load(pool, "huge", 300).is_loaded
    assert not large.is_loaded


def test_devices_have_memory_of_their_own(pool):
    """A GPU's entry costs none in main memory; an entry that holds nothing is not evicted for nothing."""
    empty, ours = load(pool, "empty", 0), load(pool, "ours", 90)
    theirs = load(pool, "theirs", 90, device="cuda:0")
    load(pool, "next", 50, device="cuda:0")
    assert (empty.is_loaded, ours.is_loaded, theirs.is_loaded) == (True, True, False)


def test_a_load_that_fails_leaves_the_others(pool):
    """Nothing is evicted but for room."""
    first = load(pool, "first", 60)

    def fail(take_room):
        take_room()
        raise ModelError("broken")

    with pytest.raises(ModelError):
        pool.load("broken", Demand(30), fail)
    assert first.is_loaded
    assert pool.get("broken") is None


def test_memory_that_runs_out_evicts_and_tries_once_more(pool):
    """As much as the entry needs is evicted, the longest unused first; the others stay."""
    oldest, old, young = (load(pool, key, 20) for key in ("oldest", "old", "young"))
    tries = []

    def scarce(_take_room):
        tries.append(oldest.is_loaded)
        if old.is_loaded:
            raise OutOfMemory
        return Held(30)

    assert pool.load("scarce", Demand(30), scarce).is_loaded
    assert tries == [True, False]
    assert (oldest.is_loaded, old.is_loaded, young.is_loaded) == (False, False, True)


def test_memory_that_runs_out_twice_is_an_error(pool):
    """There is no third try, and none at all where nothing can be evicted."""
    tries = []

    def scarce(_take_room):
        tries.append(1)
        raise OutOfMemory

    with pytest.raises(OutOfMemory):
        pool.load("scarce", Demand(30), scarce)
    assert len(tries) == 1
    oldest, young = load(pool, "oldest", 30), load(pool, "young", 30)
    with pytest.raises(OutOfMemory):
        pool.load("scarce", Demand(30), scarce)
    assert len(tries) == 3
    assert (oldest.is_loaded, young.is_loaded) == (False, True)


def test_an_entry_that_grows_makes_others_go(pool):
    """As a model does with a LoRA; it is told if there is no room even so."""
    first, second = load(pool, "first", 40), load(pool, "second", 50)
    assert pool.make_room(Demand(10), keep="second")
    assert first.is_loaded
    assert pool.make_room(Demand(50), keep="second")
    assert (first.is_loaded, second.is_loaded) == (False, True)
    assert not pool.make_room(Demand(51), keep="second")
    assert second.is_loaded


def test_budgets_of_main_memory():
    """The configured one, else half of the machine's, shared by the worker's processes."""
    assert open_budget(1.5)("cpu") == 1.5 * 2**30
    assert open_budget(0)("cpu") == main_memory() // 2
    assert open_budget(0, processes=4)("cpu") == main_memory() // 8


def test_limits_of_a_single_model_in_main_memory():
    """All that the machine has, unless the operator has set the budget."""
    assert open_limit(0)("cpu") == main_memory()
    assert open_limit(0.25)("cpu") == 2**28
