"""Index of fingerprints: exact within its distance, whole or not there, and the same for every process that opens it."""

import resource

import numpy as np
import pytest

from imgen.provenance.fingerprint_index import FingerprintIndex, Match, build
from imgen.provenance.matchlist import MATCH_DISTANCE

ROWS = 5000


@pytest.fixture(scope="module")
def hashes():
    """Random fingerprints, the last ten as near to the first one as 22 to 31 changed bits."""
    rng = np.random.default_rng(7)
    made = rng.integers(0, 256, (ROWS, 32), dtype=np.uint8)
    for number in range(10):
        made[ROWS - 1 - number] = changed(made[0], MATCH_DISTANCE - number, rng)
    return made


@pytest.fixture(scope="module")
def index(hashes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "first"
    build(folder, hashes, labels(hashes))
    return FingerprintIndex(folder)


def labels(hashes):
    return np.arange(len(hashes)).astype("S20")


def changed(fingerprint, bits, rng):
    flipped = np.unpackbits(fingerprint)
    flipped[rng.choice(256, bits, replace=False)] ^= 1
    return np.packbits(flipped)


def all_compared(hashes, wanted):
    """The same by comparing every bit of every fingerprint."""
    distances = np.unpackbits(hashes ^ wanted, axis=1).sum(axis=1)
    near = [Match(row, int(distances[row])) for row in np.flatnonzero(distances <= MATCH_DISTANCE)]
    return sorted(near, key=lambda match: (match.distance, match.row))


def test_all_within_the_distance_are_found_and_nothing_else(index, hashes):
    """As by comparing all, for fingerprints at every distance up to one beyond."""
    rng = np.random.default_rng(8)
    for bits in range(MATCH_DISTANCE + 2):
        for row in (0, *rng.integers(0, ROWS, 4)):
            wanted = changed(hashes[row], bits, rng)
            assert index.search(wanted.tobytes().hex()) == all_compared(hashes, wanted)
    found = index.search(hashes[0].tobytes().hex())
    assert found == [Match(0, 0), *(Match(ROWS - 1 - number, 31 - number) for number in range(9, -1, -1))]


def test_changes_that_hit_every_piece_are_found(index, hashes):
    """31 bits, two in each piece but one: the worst case for the look-up by pieces."""
    wanted = np.unpackbits(hashes[42]).reshape(16, 16)
    wanted[:15, [3, 9]] ^= 1
    wanted[15, 5] ^= 1
    assert Match(42, 31) in index.search(np.packbits(wanted).tobytes().hex())


def test_a_smaller_distance_narrows(index, hashes):
    """Only what is as near."""
    assert [match.distance for match in index.search(hashes[0].tobytes().hex(), distance=23)] == [0, 22, 23]


@pytest.mark.parametrize("limit", [1, 3, 25, 10 * ROWS])
def test_the_closest_are_found_however_far_away_they_are(index, hashes, limit):
    """Each distance is that of a comparison with all, and none nearer is left out."""
    rng = np.random.default_rng(5)
    for wanted in (hashes[0], changed(hashes[9], 70, rng), rng.integers(0, 256, 32, dtype=np.uint8)):
        distances = np.unpackbits(hashes ^ wanted, axis=1).sum(1)
        found = index.closest(wanted.tobytes().hex(), limit=limit)
        assert [one.distance for one in found] == sorted(distances.tolist())[:limit]
        assert all(distances[one.row] == one.distance for one in found)


def test_equal_fingerprints_are_all_found(tmp_path):
    """Copies of one picture, and an index of nothing."""
    same = np.tile(np.arange(32, dtype=np.uint8), (3, 1))
    build(tmp_path / "same", same, labels(same))
    assert FingerprintIndex(tmp_path / "same").search(same[0].tobytes().hex()) == [Match(row, 0) for row in range(3)]
    build(tmp_path / "none", same[:0], labels(same[:0]))
    assert FingerprintIndex(tmp_path / "none").search(same[0].tobytes().hex()) == []


def test_a_build_that_fails_leaves_nothing(tmp_path, hashes):
    """An index is there as a whole or not at all; one that another process built stays."""
    folder, before = tmp_path / "index", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, before[1]))  # as a disk that is full
    try:
        with pytest.raises(OSError):
            build(folder, hashes, labels(hashes))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    for rows in (10, 20):
        build(folder, hashes[:rows], labels(hashes[:rows]))
    kept = FingerprintIndex(folder)
    assert (len(kept), kept.labels.tolist()) == (10, [str(row).encode() for row in range(10)])
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
