"""Signed addresses of every ObjectStore, answered by the real server that serves them: whole, in parts, refused."""

import time
from urllib.parse import parse_qs, unquote, urlsplit

import pytest


@pytest.fixture
def picture(store) -> str:
    """The key of a stored picture of 26 bytes."""
    store.put("done/a.png", b"abcdefghijklmnopqrstuvwxyz", "image/png")
    return "done/a.png"


def changed(url: str, name: str, value: str) -> str:
    """The address with one query value replaced, everything else byte for byte as it was."""
    old = parse_qs(urlsplit(url).query)[name][0]
    assert old != value
    before, after = url.split(f"{name}=", 1)
    return f"{before}{name}={value}{'&' + after.split('&', 1)[1] if '&' in after else ''}"


def test_a_signed_address_gives_the_object(store, picture, http):
    """Anybody with the address gets the bytes, their type, and a name to save them as."""
    answer = http.get(store.url(picture, filename="final_00001.png"))
    assert answer.status_code == 200
    assert answer.content == b"abcdefghijklmnopqrstuvwxyz"
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == 'inline; filename="final_00001.png"'


def test_odd_file_names_are_signed_and_encoded(store, picture, http):
    """Names with spaces, quotes, line breaks or separators arrive encoded and make no header of their own."""
    for filename in ("ä b.png", 'x"; evil="1.png', "a\r\nSet-Cookie: b=1.png", "a&signature=b", "a+b%20.png"):
        answer = http.get(store.url(picture, filename=filename))
        assert answer.status_code == 200
        kind, encoded = answer.headers["content-disposition"].split("filename*=utf-8''")
        assert (kind, unquote(encoded)) == ("inline; ", filename)
        assert "set-cookie" not in answer.headers


def test_an_address_costs_no_look_at_the_store(place, http):
    """A missing key is signed like any other, and its address answers 404."""
    assert http.get(place.open().url("never/was.png")).status_code == 404


def test_an_address_ends_at_its_time(place, picture, http):
    """One second before its end an address works, one second after it does not."""
    now = time.time()
    assert http.get(place.open(clock=lambda: now - 3590).url(picture, expires_s=3600)).status_code == 200
    assert http.get(place.open(clock=lambda: now - 3601).url(picture, expires_s=3600)).status_code == 403
    assert http.get(place.open(clock=lambda: now - 3).url(picture, expires_s=1)).status_code == 403


def test_an_address_signed_with_another_secret_is_refused(place, picture, http):
    """Only the holder of the secret can sign."""
    assert http.get(place.open(wrong_secret=True).url(picture)).status_code == 403


def test_an_unsigned_address_is_refused(store, picture, http):
    """The bare path gives nothing, for a stored key and for a missing one."""
    bare = store.url(picture).split("?")[0]
    for url in (bare, bare.replace("a.png", "b.png")):
        answer = http.get(url)
        assert answer.status_code in (400, 403)  # Swift takes an unsigned path for its own dialect and finds no account
        assert b"wxyz" not in answer.content


def test_a_changed_address_is_refused(store, picture, http):
    """Key, signature, lifetime and file name are all part of what is signed."""
    store.put("done/b.png", b"secret", "image/png")
    url = store.url(picture, filename="a.png")
    names = parse_qs(urlsplit(url).query)
    signature = next(name for name in names if name.lower().endswith("signature"))
    expires = next(name for name in names if name.lower().endswith("expires"))
    filename = next(name for name in names if name in ("filename", "response-content-disposition"))
    good = names[signature][0]
    attempts = [
        url.replace("done/a.png", "done/b.png"),
        changed(url, signature, good[:-1] + ("0" if good[-1] != "0" else "1")),
        changed(url, signature, good[:-1]),
        changed(url, signature, "%C3%A4"),
        changed(url, signature, ""),
        changed(url, expires, str(int(names[expires][0]) + 1)),
        changed(url, expires, "x"),
        changed(url, filename, "b.exe"),
    ]
    assert http.get(url).status_code == 200
    refused = [http.get(attempt) for attempt in attempts]
    assert all(answer.status_code in (400, 403) for answer in refused), [answer.status_code for answer in refused]
    assert all(b"secret" not in answer.content and b"wxyz" not in answer.content for answer in refused)


def test_refuses_lifetimes_that_no_store_can_give(store):
    """An address lasts one second to seven days."""
    for expires_s in (0, -1, 7 * 24 * 3600 + 1):
        with pytest.raises(ValueError, match="lasts"):
            store.url("a", expires_s=expires_s)


def test_gives_parts_of_an_object(store, picture, http):
    """First, last, open and too long byte ranges follow RFC 9110."""
    expected = {
        "bytes=2-5": (206, b"cdef", "bytes 2-5/26"),
        "bytes=20-": (206, b"uvwxyz", "bytes 20-25/26"),
        "bytes=-4": (206, b"wxyz", "bytes 22-25/26"),
        "bytes=24-99": (206, b"yz", "bytes 24-25/26"),
        "bytes=-99": (206, b"abcdefghijklmnopqrstuvwxyz", "bytes 0-25/26"),
    }
    answers = {asked: http.get(store.url(picture), headers={"Range": asked}) for asked in expected}
    assert {
        asked: (answer.status_code, answer.content, answer.headers["content-range"])
        for asked, answer in answers.items()
    } == expected


def test_a_range_past_the_end_cannot_be_had(store, picture, http):
    """The answer is 416 and holds none of the object's bytes."""
    answer = http.get(store.url(picture), headers={"Range": "bytes=26-"})
    assert answer.status_code == 416
    assert b"xyz" not in answer.content
