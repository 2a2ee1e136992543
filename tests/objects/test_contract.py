"""Contract of every ObjectStore: bytes, listings, many callers at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from imgen.domain.errors import ObjectNotFound, ObjectStoreUnavailable

BAD_KEYS = [
    "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a\\b", "a b", "a\n", "a\x00b", "ä", "a~b",
    "a%2e", "x" * 513, "x" * 256, "a/" + "x" * 256, "C:a",
]  # fmt: skip
GOOD_KEYS = ["a", "a.b", ".hidden", "...", "a/..b/c..", "-", "_/-/.x", "x" * 255, "/".join(["y" * 127] * 4)]


# ------------------------------------------------------------------ bytes in, bytes out


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", bytes(range(256)) * 300, b"\r\n\r\n", bytes(range(251)) * 20_889],
    ids=["empty", "nul", "binary", "line breaks", "5 MB"],
)
def test_gives_back_the_bytes_that_were_put(store, body):
    """Every body comes back as it was."""
    store.put("work/x.bin", body, "application/octet-stream")
    assert store.get("work/x.bin") == body


def test_gives_parts_of_an_object(store):
    """Each part is what lies there; one that is not all there is an error, and a missing object has neither part nor size."""
    body = bytes(range(251)) * 400
    store.put("work/x.bin", body, "application/octet-stream")
    assert store.size_of("work/x.bin") == len(body)
    for start, size in ((0, 1), (0, len(body)), (17, 9_000), (len(body) - 5, 5)):
        assert store.get_part("work/x.bin", start, size) == body[start : start + size]
    for start, size in ((0, len(body) + 1), (len(body), 1), (len(body) + 9, 1)):
        with pytest.raises(ObjectStoreUnavailable):
            store.get_part("work/x.bin", start, size)
    for use in (store.size_of, lambda key: store.get_part(key, 0, 1)):
        with pytest.raises(ObjectNotFound):
            use("never")


def test_takes_every_key_of_the_alphabet(store, http):
    """Odd but legal keys are stored, told, found, handed out and removed."""
    for key in GOOD_KEYS:
        store.put(key, key.encode(), "text/plain")
        assert store.get(key) == key.encode()
        assert [info.key for info in store.list("")] == [key]
        assert http.get(store.url(key)).content == key.encode()
        store.delete(key)
        assert not store.exists(key)


def test_refuses_bad_keys_everywhere(store):
    """A key outside the alphabet, too long, or with dot parts never reaches the storage."""
    uses = [lambda key: store.put(key, b"", "text/plain"), store.get, store.exists, store.delete, store.url]
    for key in BAD_KEYS:
        for use in uses:
            with pytest.raises(ValueError, match="Bad object key"):
                use(key)
    assert list(store.list("")) == []


def test_a_missing_key_is_missing(store):
    """A key that was never put, or was deleted, is absent for every call, and deleting it is no error."""
    store.put("a/b", b"1", "text/plain")
    store.delete("a/b")
    for key in ("a/b", "a", "a/b/c", "never"):
        assert not store.exists(key)
        store.delete(key)
        with pytest.raises(ObjectNotFound):
            store.get(key)


def test_exists_after_put_until_delete(store):
    """`exists` follows put and delete, and one delete leaves the neighbours alone."""
    store.put("a/1", b"1", "text/plain")
    store.put("a/2", b"2", "text/plain")
    store.delete("a/1")
    assert (store.exists("a/1"), store.exists("a/2")) == (False, True)


def test_an_existing_key_stays_as_it_is(store):
    """The first body wins; a second put of the key counts as done and changes nothing."""
    store.put("a/b", b"first", "text/plain")
    store.put("a/b", b"second", "text/plain")
    assert store.get("a/b") == b"first"
    assert [info.size_bytes for info in store.list("")] == [5]


def test_a_deleted_key_can_be_put_again(store):
    """Delete frees the key."""
    store.put("a/b", b"first", "text/plain")
    store.delete("a/b")
    store.put("a/b", b"second", "text/plain")
    assert store.get("a/b") == b"second"


# ------------------------------------------------------------------ listings


def test_lists_in_key_order_with_sizes_and_times(store):
    """The order is that of the whole keys, also where a folder's name sorts apart from its contents."""
    before = time.time()
    keys = ["a-b", "a.b", "a/b", "a/b.c", "a/b0/c", "a0", "A", "b/1", "_z", "a/b-", *(f"n/{n}" for n in range(22))]
    for size, key in enumerate(keys):
        store.put(key, b"x" * size, "text/plain")
    found = list(store.list(""))
    assert [info.key for info in found] == sorted(keys)
    assert {info.key: info.size_bytes for info in found} == {key: size for size, key in enumerate(keys)}
    assert all(before - 2 <= info.modified_at <= time.time() + 2 for info in found)


def test_lists_by_any_beginning_of_a_key(store):
    """A prefix may end in the middle of a word, and one that nothing begins with gives nothing."""
    for key in ("work/a1", "work/a2", "work/b", "works"):
        store.put(key, b"", "text/plain")
    expected = {
        "work": ["work/a1", "work/a2", "work/b", "works"],
        "work/": ["work/a1", "work/a2", "work/b"],
        "work/a": ["work/a1", "work/a2"],
        "work/a1": ["work/a1"],
        "work/a1/": [],
        "x": [],
    }
    assert {prefix: [info.key for info in store.list(prefix)] for prefix in expected} == expected


def test_refuses_prefixes_that_no_key_has(store):
    """A prefix with foreign characters is a mistake, told before the listing is read."""
    for prefix in ("a b", "../~", "\x00", "*", "ä", "x" * 513):
        with pytest.raises(ValueError, match="Bad object prefix"):
            store.list(prefix)


def test_deleting_what_is_listed_while_listing(store):
    """A sweep may delete each object as the listing gives it."""
    for number in range(12):
        store.put(f"sweep/{number:02}/x", b"", "text/plain")
    for info in store.list("sweep/"):
        store.delete(info.key)
    assert list(store.list("")) == []


def test_deletes_many_at_once(store):
    """Keys that are there go, missing ones are no error, and what was not named stays; more than a request takes are taken."""
    for number in range(6):
        store.put(f"many/{number}", b"1", "text/plain")
    wanted = [f"many/{number}" for number in range(5)] + [f"never/{number}" for number in range(1000)]
    assert store.delete_many(iter(wanted)) == {}
    assert [info.key for info in store.list("")] == ["many/5"]
    assert store.delete_many([]) == {}


def test_a_bad_key_among_many_deletes_nothing(store):
    """A mistake in one key is told before anything is removed."""
    store.put("a/b", b"1", "text/plain")
    with pytest.raises(ValueError, match="Bad object key"):
        store.delete_many(["a/b", "../x"])
    assert store.exists("a/b")


# ------------------------------------------------------------------ many at once


def test_twenty_threads_put_one_key(store):
    """All are told it is done; what is stored is one of the bodies, whole, and stays."""
    bodies = [bytes([number]) * 100_000 for number in range(20)]
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda body: store.put("race/x", body, "text/plain"), bodies))
    stored = store.get("race/x")
    assert stored in bodies
    store.put("race/x", b"late", "text/plain")
    assert store.get("race/x") == stored


def test_twenty_threads_put_read_and_delete_their_own(store):
    """Threads with keys in one folder, which comes and goes with them, do not disturb one another."""

    def work(number: int) -> None:
        for turn in range(3):
            key, body = f"one/folder/{number}-{turn}", b"%d-%d" % (number, turn)
            store.put(key, body, "text/plain")
            assert store.get(key) == body
            store.delete(key)
            assert not store.exists(key)

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(work, range(20)))
    assert list(store.list("")) == []


def test_readers_see_all_or_nothing(store):
    """While a large body is being put, a reader finds no object or the whole one."""
    body = bytes(range(250)) * 20_000
    done, lengths = Event(), set()

    def read() -> None:
        while True:
            last = done.is_set()
            try:
                lengths.add(len(store.get("big")))
            except ObjectNotFound:
                lengths.add(None)
            if last:
                return

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        while None not in lengths:  # the readers are at work before the writer starts
            time.sleep(0.001)
        store.put("big", body, "application/octet-stream")
        done.set()
        for reader in readers:
            reader.result()
    assert lengths == {None, len(body)}


def test_check_tells_the_place_and_leaves_nothing(place, store):
    """The doctor's line names the folder or bucket, and the probe's own object is gone afterwards."""
    assert place.name in store.check()
    assert list(store.list("")) == []
