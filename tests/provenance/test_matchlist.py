"""Match lists: the form they are read in, and which hashes count as the same."""

import secrets

import pytest

from imgen.domain.errors import ConfigurationError
from imgen.provenance.fingerprint import distance
from imgen.provenance.matchlist import MatchList, join, parse

HASH = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"


def differing(bits: int) -> str:
    """A hash that differs from HASH in so many bits, spread over all of it."""
    return f"{int(HASH, 16) ^ sum(1 << (255 - place * 8) for place in range(bits)):064x}"


@pytest.mark.parametrize("bits", [0, 1, 30, 31, 32])
def test_the_distance_is_exact(bits):
    """A one-entry list gives the number of differing bits."""
    other = differing(bits)
    assert distance(HASH, other) == bits
    assert parse(HASH).nearest(other) == bits


def test_the_nearest_of_many_is_found():
    """Among thousands the nearest one decides, wherever it stands."""
    many = [secrets.token_hex(32) for _ in range(5000)]
    for place in (0, 2500, 5000):
        rows = [*many[:place], differing(7), *many[place:]]
        assert parse("\n".join(rows)).nearest(HASH) == 7


def test_an_empty_list_matches_nothing():
    """No hash, no distance."""
    assert parse("").nearest(HASH) is None
    assert join([]).nearest(HASH) is None


@pytest.mark.parametrize(
    "text",
    [
        f"{HASH}\n",
        f"{HASH.upper()},1234567890,2026-01-31T12:00:00+0000,media_priority_samples malicious\r\n",
        f"hash,descriptor_id,added_on,labels\n{HASH},1,2026-01-31,x",
        f"\ufeff{HASH}\n\n",
        f"# from the exchange\n\n{HASH}",
        f'"{HASH}","a, b"\n',
    ],
)
def test_the_exchanges_forms_are_read(text):
    """With and without header, quotes, comments, byte order mark and further columns."""
    assert parse(text).nearest(HASH) == 0


@pytest.mark.parametrize("row", ["", "xyz", HASH[:-1], HASH + "0", HASH[:-1] + "g", "1," + HASH])
def test_a_corrupt_row_voids_its_list_by_name(row):
    """Half a list would let through what the other half names; a blank line is none."""
    text = f"{HASH}\n{row}\n{differing(9)}\n"
    if not row:
        assert len(parse(text).hashes) == 2
        return
    with pytest.raises(ConfigurationError, match=r"words\.csv, line 2"):
        parse(text, "words.csv")


def test_lists_are_joined():
    """A hash on any of the lists is found."""
    joined = join([parse(HASH), parse(""), parse(secrets.token_hex(32))])
    assert isinstance(joined, MatchList)
    assert len(joined.hashes) == 2
    assert joined.nearest(differing(3)) == 3
