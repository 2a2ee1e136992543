"""Exact search in memory beside the plain way to do it."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgen.services.semantic_cache.vectors import VectorIndex


def unit(rng, width=16):
    vector = rng.standard_normal(width).astype("<f4")
    return (vector / np.linalg.norm(vector)).astype("<f4")


def plainly(entries, name, wanted, over, limit):
    found = [(key, float(vector @ wanted)) for key, part, vector in entries if part == name]
    return sorted((one for one in found if one[1] > over), key=lambda one: -one[1])[:limit]


@given(st.integers(0, 10_000), st.integers(0, 60), st.floats(-1, 1), st.integers(1, 12))
def test_it_finds_what_a_plain_search_finds(seed, count, over, limit):
    """The same ids in the same order, of one partition alone, after entries came and went."""
    rng = np.random.default_rng(seed)
    entries = [(f"e{n}", f"p{n % 3}", unit(rng)) for n in range(count)]
    index = VectorIndex()
    index.add((key, part, vector.tobytes()) for key, part, vector in entries[: count // 2])
    gone = {key for key, *_ in entries if rng.random() < 0.3}
    index.remove(gone)
    index.add((key, part, vector.tobytes()) for key, part, vector in entries[count // 2 :])
    index.remove(gone)
    left = [one for one in entries if one[0] not in gone]
    assert len(index) == len(left)
    for name in ("p0", "p1", "p2", "elsewhere"):
        wanted = unit(rng)
        expected = plainly(left, name, wanted, over, limit)
        found = index.nearest(name, wanted.tobytes(), over=over, limit=limit)
        assert [key for key, _ in found] == [key for key, _ in expected]
        np.testing.assert_allclose([near for _, near in found], [near for _, near in expected], atol=1e-5)


def test_an_entry_stays_as_it_was_first_added():
    """A second vector under the same id changes nothing; removing what is not there neither."""
    index, rng = VectorIndex(), np.random.default_rng(1)
    first = unit(rng)
    index.add([("a", "p", first.tobytes()), ("a", "p", unit(rng).tobytes()), ("a", "q", unit(rng).tobytes())])
    index.remove(["b"])
    assert [key for key, _ in index.nearest("p", first.tobytes(), over=0.9999, limit=5)] == ["a"]
    assert index.nearest("q", first.tobytes(), over=-2, limit=5) == []
    index.remove(["a"])
    assert ("a" in index, len(index), index.nearest("p", first.tobytes(), over=-2, limit=5)) == (False, 0, [])


def test_a_vector_of_another_width_is_near_to_nothing():
    """Two models' vectors cannot be compared."""
    index, rng = VectorIndex(), np.random.default_rng(2)
    index.add([("a", "p", unit(rng).tobytes())])
    assert index.nearest("p", unit(rng, 24).tobytes(), over=-2, limit=5) == []


def test_searches_while_entries_come_and_go():
    """A search gives an id with its own likeness, whatever another thread does meanwhile."""
    index, rng = VectorIndex(), np.random.default_rng(3)
    vectors = {f"e{n}": unit(rng) for n in range(600)}
    wanted, ends, wrong = unit(rng), threading.Event(), []

    def search():
        while not ends.is_set():
            for key, near in index.nearest("p", wanted.tobytes(), over=-2, limit=20):
                if abs(float(vectors[key] @ wanted) - near) > 1e-5:
                    wrong.append(key)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for round_ in range(20):
        index.add((key, "p", vector.tobytes()) for key, vector in vectors.items())
        index.remove([f"e{n}" for n in range(round_ % 3, 600, 3)])
    ends.set()
    for thread in threads:
        thread.join()
    assert wrong == []
