"""The disk store's addresses over real HTTP: what is refused, what headers say, and what partial requests get."""

import http.client
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx2
import pytest
from servers.asgi import start_asgi
from starlette.applications import Starlette
from starlette.testclient import TestClient

from imgen.domain.errors import Forbidden
from imgen.objects import SignedFile
from imgen.objects.disk import DiskStore
from imgen.surfaces import files
from imgen.surfaces.files import file_routes

BODY = bytes(range(256)) * 1000


class Site:
    """A running server, its store, and a client that follows and rewrites nothing."""

    def __init__(self, store: DiskStore, url: str, root: Path) -> None:
        self.store, self.url, self.root = store, url, root
        self.http = httpx2.Client(trust_env=False, timeout=20)

    def raw(self, method: str, target: str) -> tuple[int, bytes]:
        """Sends the request target byte for byte: clients would tidy `..` and `//` away."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        try:
            connection.putrequest(method, target)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "outside.png").write_bytes(b"outside")
    stores = []

    def build(url: str) -> Starlette:
        stores.append(DiskStore(folder / "objects", base_url=url, secret=b"0123456789abcdef0123456789abcdef"))
        return Starlette(routes=file_routes(stores[0]))

    with start_asgi(build) as url:
        site = Site(stores[0], url, folder / "objects")
        site.store.put("done/a.jpg", BODY, "image/jpeg")
        site.store.put("done/empty.png", b"", "image/png")
        with site.http:
            yield site


@pytest.fixture(scope="module")
def url(site: Site) -> str:
    return site.store.url("done/a.jpg", filename="final.jpg")


# ------------------------------------------------------------------ who may have it


def test_without_a_good_signature_everything_is_forbidden(site, url):
    """Absent, half and wrong signatures get the same 403, whether the key is stored or not."""
    bare = url.split("?")[0]
    targets = [
        bare,
        bare.replace("a.jpg", "b.jpg"),
        f"{bare}?expires={int(time.time()) + 60}",
        f"{bare}?signature={'0' * 64}",
        f"{bare}?expires=&signature=",
        f"{bare}?expires=9999999999&signature=%F0%9F%98%80",
        url.replace("&filename=final.jpg", ""),
        f"{url}&signature=0",
        f"{url}&expires=9999999999",
    ]
    answers = [site.http.get(target) for target in targets]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(403, {"error": "Forbidden"})] * len(targets)


@pytest.mark.parametrize(
    "target",
    [
        "/files/", "/files/done", "/files/done/", "/files/~part", "/files/~part/",
        "/files/../outside.png", "/files/%2e%2e/outside.png", "/files/done/../../../outside.png",
        "/files/..%2foutside.png", "/files/%2e%2e%2foutside.png", "/files/..%5coutside.png", "/files/....//outside.png",
        "/files//etc/passwd", "/files/%2fetc/passwd", "/files/done//a.jpg", "/files/done/a.jpg%00.png", "/files/%00",
        "/files/done/./a.jpg", "/files/%c0%ae%c0%ae/outside.png", "/files/%252e%252e/outside.png",
    ],
)  # fmt: skip
def test_no_path_leads_out_and_no_folder_is_listed(site, url, target):
    """Traversal, absolute paths, NUL, folders and the store's own parts are forbidden, even with another key's signature."""
    for asked in (target, f"{target}?{url.split('?')[1]}"):
        status, body = site.raw("GET", asked)
        assert (status, body) == (403, b'{"error":"Forbidden"}')


def test_a_signed_key_that_is_gone_is_not_found(site):
    """The holder of a good address learns that the object no longer exists, and a link in its place counts as gone."""
    site.store.put("gone/a.jpg", b"1", "image/jpeg")
    url = site.store.url("gone/a.jpg")
    site.store.put("gone/b.jpg", b"1", "image/jpeg")
    site.store.delete("gone/a.jpg")
    assert (site.http.get(url).status_code, site.http.get(url).json()) == (404, {"error": "No such object"})
    (site.root / "gone" / "a.jpg").symlink_to(site.root.parent / "outside.png")
    assert site.http.get(url).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_signature_is_for_reading_alone(site, url, method):
    """No other method does anything, and the object stays."""
    assert site.http.request(method, url).status_code == 405
    assert site.store.get("done/a.jpg") == BODY


# ------------------------------------------------------------------ what comes with it


def test_headers_tell_type_name_and_age_and_keep_browsers_safe(site, url):
    """A picture is shown inline under its name, kept no longer than its address lasts, and runs nothing."""
    headers = site.http.get(url).headers
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-disposition"] == 'inline; filename="final.jpg"'
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["accept-ranges"] == "bytes"
    assert headers["etag"]
    assert headers["last-modified"].endswith("GMT")
    scope, age = headers["cache-control"].split(", max-age=")
    assert scope == "private"
    assert 3590 <= int(age) <= 3600


def test_refusals_are_safe_too(site):
    """An error page is as inert as a picture."""
    headers = site.http.get(f"{site.url}/files/x.html").headers
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("key", "content_type"),
    [
        ("t/a.png", "image/png"), ("t/a.jpg", "image/jpeg"), ("t/a.JPEG", "image/jpeg"), ("t/a.webp", "image/webp"),
        ("t/a.avif", "image/avif"), ("t/a.c2pa", "application/c2pa"), ("t/a.json", "application/json"),
        ("t/a.html", "application/octet-stream"), ("t/a.svg", "application/octet-stream"),
        ("t/a", "application/octet-stream"), ("t/.png", "application/octet-stream"),
    ],
)  # fmt: skip
def test_the_type_follows_the_keys_suffix(site, key, content_type):
    """Known picture types are told; whatever a browser could run is bytes, even if the asked-for name says otherwise."""
    site.store.put(key, b"<script>", "text/html")
    answer = site.http.get(site.store.url(key, filename="x.html"))
    assert answer.headers["content-type"] == content_type


def test_head_tells_the_same_without_the_bytes(site, url):
    """HEAD answers as GET would, with no body."""
    got, told = site.http.get(url), site.http.head(url)
    assert told.content == b""
    names = ("content-length", "content-type", "etag", "last-modified", "content-disposition", "accept-ranges")
    assert [told.headers[name] for name in names] == [got.headers[name] for name in names]
    assert told.status_code == 200
    assert site.http.head(url.split("?")[0]).status_code == 403


def test_the_address_still_works_where_the_name_is_not_ascii(site):
    """A file name in any script survives signing, the query and the header."""
    answer = site.http.get(site.store.url("done/a.jpg", filename="Ünï код 画.jpg"))
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].endswith("%D0%BA%D0%BE%D0%B4%20%E7%94%BB.jpg")


# ------------------------------------------------------------------ parts


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=1000-99999", 1000, 100_000), ("bytes=255999-", 255_999, 256_000),
     ("bytes=-100", 255_900, 256_000), ("bytes=0-999999999", 0, 256_000)],
)  # fmt: skip
def test_a_range_gets_exactly_its_bytes(site, url, asked, start, end):
    """206 with the bytes, their place and their count; HEAD tells the same."""
    answer = site.http.get(url, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == BODY[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(BODY)}"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    told = site.http.head(url, headers={"Range": asked})
    assert (told.status_code, told.headers["content-range"]) == (206, answer.headers["content-range"])


@pytest.mark.parametrize("asked", ["bytes=256000-", "bytes=256000-256001", "bytes=-0"])
def test_a_range_outside_the_file_is_416(site, url, asked):
    """The answer tells the real length."""
    answer = site.http.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */256000")


def test_an_empty_file_has_no_ranges(site):
    """The whole of nothing is 200, a part of nothing is 416."""
    url = site.store.url("done/empty.png")
    assert (site.http.get(url).status_code, site.http.get(url).content) == (200, b"")
    assert site.http.get(url, headers={"Range": "bytes=0-"}).status_code == 416


def test_if_range_gives_the_part_only_of_the_same_file(site, url):
    """A download is resumed where ETag or date still match, and begun anew where not."""
    whole = site.http.get(url).headers
    for good in (whole["etag"], whole["last-modified"]):
        assert site.http.get(url, headers={"Range": "bytes=5-9", "If-Range": good}).content == BODY[5:10]
    for stale in ('"other"', "W/" + whole["etag"], "Thu, 01 Jan 1970 00:00:00 GMT"):
        answer = site.http.get(url, headers={"Range": "bytes=5-9", "If-Range": stale})
        assert (answer.status_code, len(answer.content)) == (200, len(BODY))


def test_a_range_needs_the_signature_as_well(site, url):
    """No byte is given away by asking for few of them."""
    assert site.http.get(url.split("?")[0], headers={"Range": "bytes=0-1"}).status_code == 403


# ------------------------------------------------------------------ which stores are served


class Shelf:
    """A store of another kind, whose URLs lead to our API."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open_signed(self, key: str, query: Mapping[str, str]) -> SignedFile:
        """Grants one word."""
        if query.get("word") != "open":
            raise Forbidden("Forbidden")
        return SignedFile(path=self.path, stat=self.path.stat(), filename=key, expires_in_s=9)

    def file_of(self, _key: str) -> tuple[Path, os.stat_result]:
        """The one file."""
        return self.path, self.path.stat()


def test_any_store_that_opens_signed_urls_is_served(tmp_path):
    """The surface asks for the ability alone; a store without it gets no route."""
    (tmp_path / "a.png").write_bytes(b"1")
    assert files.routes(SimpleNamespace(objects=object())) == []
    app = Starlette(routes=files.routes(SimpleNamespace(objects=Shelf(tmp_path / "a.png"))))
    with TestClient(app) as client:
        served = client.get("/files/x/y?word=open")
        assert (served.content, served.headers["cache-control"]) == (b"1", "private, max-age=9")
        assert client.get("/files/x/y").status_code == 403
