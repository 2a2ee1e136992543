"""The S3 store against a server that fails, refuses, hangs or knows less than Amazon's."""

import time
from collections.abc import Iterator

import httpx2
import pytest
from servers.faulty_http import (
    Exchange,
    FaultyServer,
    answer,
    cut,
    forward,
    forward_then,
    hang,
    reset,
    start_faulty_http,
)

from imgen.domain.errors import ConfigurationError, ObjectNotFound, Retryable
from imgen.objects.s3 import S3Store
from imgen.objects.s3_client import MAX_ATTEMPTS, S3Options


def error(status: int, code: str):
    """S3's error document."""
    return answer(status, f"<Error><Code>{code}</Code></Error>".encode(), {"Content-Type": "application/xml"})


@pytest.fixture
def faulty(s3_server) -> Iterator[FaultyServer]:
    """Stands before Swift and passes everything on, until a test says otherwise."""
    with start_faulty_http(forward(s3_server.endpoint_url)) as server:
        yield server


@pytest.fixture
def store(faulty, s3_options) -> S3Store:
    """A store behind the faulty server; it waits a second where a real one waits twenty."""
    return S3Store(s3_options(endpoint_url=faulty.url), connect_timeout_s=1, read_timeout_s=1)


# ------------------------------------------------------------------ failures that pass


@pytest.mark.parametrize("fault", [error(500, "InternalError"), error(503, "SlowDown"), reset, hang],
                         ids=["500", "slow down", "reset", "hang"])  # fmt: skip
def test_a_failing_server_is_retryable_in_bounded_time(store, faulty, fault):
    """A server that keeps failing is given up after the capped attempts; the same put works once it is well again."""
    faulty.script[:] = [fault] * MAX_ATTEMPTS
    start = time.monotonic()
    with pytest.raises(Retryable, match="bucket"):
        store.put("a/b", b"body", "image/png")
    # Three tries of a second at most, and botocore's pauses between them: under one and under two seconds.
    assert time.monotonic() - start < MAX_ATTEMPTS * 1 + 1 + 2 + 15
    assert [request.method for request in faulty.requests] == ["PUT"] * MAX_ATTEMPTS
    store.put("a/b", b"body", "image/png")
    assert store.get("a/b") == b"body"


@pytest.mark.parametrize("fault", [error(500, "InternalError"), reset], ids=["500", "reset"])
def test_one_failure_is_not_even_noticed(store, faulty, fault):
    """A single fault is tried again within the call, for every operation."""
    for use in (
        lambda: store.put("a/b", b"body", "image/png"),
        lambda: store.exists("a/b"),
        lambda: store.get("a/b"),
        lambda: list(store.list("")),
        lambda: store.delete("a/b"),
    ):
        faulty.script[:] = [fault]
        use()
        assert faulty.script == []


def test_an_answer_lost_after_the_write_counts_as_done(store, faulty, s3_server):
    """The object was stored but the answer broke off: the retry is told that it exists, and the put is done."""
    faulty.script[:] = [forward_then(s3_server.endpoint_url, reset)]
    store.put("a/b", b"body", "image/png")
    assert [request.method for request in faulty.requests] == ["PUT", "PUT"]
    assert store.get("a/b") == b"body"


def test_a_body_cut_short_is_retryable(store, faulty):
    """Half an object is never handed out as a whole one."""
    faulty.script[:] = [cut]
    with pytest.raises(Retryable):
        store.get("a/b")


def test_an_unreachable_server_is_retryable(s3_options):
    """Nobody listens: told within the attempts' pauses, for every operation, listings included."""
    with start_faulty_http(reset) as gone:
        store = S3Store(s3_options(endpoint_url=gone.url))
    with pytest.raises(Retryable, match="did not answer"):
        store.put("a", b"", "text/plain")
    with pytest.raises(Retryable, match="did not answer"):
        list(store.list(""))


# ------------------------------------------------------------------ mistakes of the operator


def test_wrong_credentials_and_buckets_are_configuration(s3_options):
    """A fault that no retry will mend is told as a configuration error that names the place."""
    wrong = [{"secret_access_key": "wrong"}, {"access_key_id": "test:nobody"}, {"bucket": "no-such-bucket"}]
    for changes in wrong:
        store = S3Store(s3_options(**changes))
        with pytest.raises(ConfigurationError, match=s3_options(**changes).bucket):
            store.put("a", b"", "text/plain")
        with pytest.raises(ConfigurationError):
            store.get("a")
        with pytest.raises(ConfigurationError):
            list(store.list(""))
        with pytest.raises(ConfigurationError):
            store.check()


@pytest.mark.parametrize(
    "changes",
    [{"bucket": ""}, {"access_key_id": ""}, {"secret_access_key": ""}, {"region": ""}, {"endpoint_url": "no url"},
     {"addressing": "odd"}, {"bucket": "Bad_Bucket/Name"}, {"prefix": "a b"}, {"public_endpoint_url": "no url"}],
    ids="-".join,
)  # fmt: skip
def test_unusable_options_are_told_at_once(s3_options, changes):
    """An option that cannot work stops the start, not the first picture."""
    with pytest.raises(ConfigurationError, match="S3 store"):
        S3Store(s3_options(**changes))


# ------------------------------------------------------------------ many deletes


def test_a_thousand_keys_go_in_one_request(store, faulty):
    """Keys are removed a thousand to a request, with the digest that other servers than Amazon's want."""
    faulty.script[:] = [answer(200, b"<DeleteResult/>", {"Content-Type": "application/xml"})] * 2
    assert store.delete_many(f"many/{number}" for number in range(1001)) == {}
    assert [(request.method, "Content-MD5" in request.headers) for request in faulty.requests] == [("POST", True)] * 2


def test_a_key_that_stays_stops_no_other(store, faulty):
    """The server's own reason is given for the key that it kept, under our name for it."""
    told = "<DeleteResult><Error><Key>{}/b</Key><Code>InternalError</Code><Message>We are sorry</Message></Error></DeleteResult>"
    prefix = store.url("b").split("/b?")[0].rsplit("/", 1)[1]
    faulty.script[:] = [answer(200, told.format(prefix).encode(), {"Content-Type": "application/xml"})]
    assert store.delete_many(["a", "b", "c"]) == {"b": "InternalError: We are sorry"}


@pytest.mark.parametrize(
    "refusal", [error(501, "NotImplemented"), answer(405), error(400, "MalformedXML")], ids=["501", "405", "400"]
)
def test_servers_without_many_deletes_are_asked_one_by_one(s3_server, s3_options, refusal):
    """A refused DeleteObjects is remembered; keys are then removed one by one, and a refused one stops no other."""
    forwards, denied = forward(s3_server.endpoint_url), error(403, "AccessDenied")

    def old_server(exchange: Exchange) -> None:
        is_many = exchange.command == "POST"
        is_locked = exchange.command == "DELETE" and exchange.path.endswith("locked")
        (refusal if is_many else denied if is_locked else forwards)(exchange)

    with start_faulty_http(old_server) as server:
        store = S3Store(s3_options(endpoint_url=server.url))
        for key in ("a", "locked", "z"):
            store.put(key, b"1", "text/plain")
        for _ in range(2):
            assert list(store.delete_many(["a", "locked", "z"])) == ["locked"]
        assert [info.key for info in store.list("")] == ["locked"]
        assert [request.method for request in server.requests].count("POST") == 1


def test_an_unreachable_server_ends_many_deletes(s3_options):
    """A store that does not answer is one error, not one a key."""
    with start_faulty_http(reset) as gone:
        url = gone.url
    with pytest.raises(Retryable):
        S3Store(s3_options(endpoint_url=url), connect_timeout_s=0.5).delete_many(["a", "b"])


# ------------------------------------------------------------------ conditional writes


@pytest.mark.parametrize(
    "refusal",
    [error(501, "NotImplemented"), answer(501), error(400, "InvalidArgument"), error(400, "InvalidRequest")],
    ids=["501", "501 without a body", "InvalidArgument", "InvalidRequest"],
)
def test_servers_without_conditional_writes_are_asked_first(s3_server, s3_options, refusal):
    """A refused `If-None-Match` is remembered: from then on the store looks, then writes; the first body still wins."""
    forwards = forward(s3_server.endpoint_url)

    def old_server(exchange: Exchange) -> None:
        (refusal if "If-None-Match" in exchange.headers else forwards)(exchange)

    with start_faulty_http(old_server) as server:
        store = S3Store(s3_options(endpoint_url=server.url))
        store.put("a", b"first", "text/plain")
        assert store.get("a") == b"first"
        server.requests.clear()
        store.put("a", b"second", "text/plain")
        store.put("b", b"other", "text/plain")
        assert [request.method for request in server.requests] == ["HEAD", "HEAD", "PUT"]
        assert (store.get("a"), store.get("b")) == (b"first", b"other")


def test_another_mistake_is_not_taken_for_missing_conditional_writes(store, faulty):
    """If the plain write fails as well, the header was not the cause: nothing is remembered."""
    faulty.script[:] = [error(400, "InvalidRequest"), answer(404), error(400, "InvalidRequest")]
    with pytest.raises(Retryable):
        store.put("a", b"body", "text/plain")
    store.put("a", b"body", "text/plain")
    assert faulty.requests[-1].headers["If-None-Match"] == "*"


def test_check_finds_out_who_drops_the_condition(s3_server, s3_options, s3_admin):
    """A server that overwrites in silence is noticed by `check`, and the first body wins from then on."""
    options, forwards = s3_options(), forward(s3_server.endpoint_url)

    def careless_server(exchange: Exchange) -> None:
        if exchange.command == "PUT":
            s3_admin.delete_object(Bucket=options.bucket, Key=exchange.path.removeprefix(f"/{options.bucket}/"))
        forwards(exchange)

    with start_faulty_http(careless_server) as server:
        store = S3Store(s3_options(endpoint_url=server.url))
        assert store.check().endswith("(no conditional writes)")
        store.put("a", b"first", "text/plain")
        store.put("a", b"second", "text/plain")
        assert store.get("a") == b"first"


def test_check_tells_of_conditional_writes(store, faulty):
    """A good server's line names bucket and endpoint."""
    assert faulty.url in store.check()
    assert store.check().endswith("(conditional writes)")


def test_a_conflict_counts_as_done_only_if_the_object_is_there(store, faulty):
    """409 says that another write is under way: done where its object is found, to be tried again where not."""
    conflict = error(409, "ConditionalRequestConflict")
    faulty.script[:] = [conflict]
    with pytest.raises(Retryable, match="under way"):
        store.put("a", b"body", "text/plain")
    store.put("a", b"first", "text/plain")
    faulty.script[:] = [conflict]
    store.put("a", b"second", "text/plain")
    assert store.get("a") == b"first"


# ------------------------------------------------------------------ places


def test_two_prefixes_share_a_bucket(s3_options):
    """Stores with different prefixes do not see each other, and a key is the same in both."""
    one, other = (S3Store(s3_options(prefix=f"{s3_options().prefix}/{name}")) for name in ("one", "other/"))
    one.put("a", b"1", "text/plain")
    other.put("a", b"2", "text/plain")
    assert (one.get("a"), other.get("a")) == (b"1", b"2")
    assert [info.key for info in other.list("")] == ["a"]
    one.delete("a")
    assert other.exists("a")


def test_the_stored_object_has_its_type(s3_options, s3_admin):
    """The content type travels with the object, as S3 alone answers for it later."""
    options: S3Options = s3_options()
    S3Store(options).put("a.png", b"", "image/png")
    stored = s3_admin.head_object(Bucket=options.bucket, Key=f"{options.prefix}/a.png")
    assert stored["ContentType"] == "image/png"


def test_virtual_host_addresses_are_accepted(s3_server, s3_options):
    """Signed for `<bucket>.<domain>`, an address works under that Host header and under no other."""
    store = S3Store(s3_options())
    store.put("a.png", b"body", "image/png")
    public = f"http://{s3_server.storage_domain}"
    url = S3Store(s3_options(public_endpoint_url=public, addressing="virtual")).url("a.png", filename="b.png")
    host = f"{s3_options().bucket}.{s3_server.storage_domain}"
    assert url.startswith(f"http://{host}/")
    target = url.replace(f"http://{host}", s3_server.endpoint_url)
    with httpx2.Client(trust_env=False) as client:
        assert client.get(target, headers={"Host": host}).content == b"body"
        assert client.get(target, headers={"Host": f"{host}:81"}).status_code == 403


def test_a_missing_object_is_not_a_missing_bucket(store):
    """Only the object is missing: the worker may go on."""
    with pytest.raises(ObjectNotFound):
        store.get("a")
    assert not store.exists("a")


def test_the_environment_names_no_other_endpoint(s3_options, monkeypatch: pytest.MonkeyPatch):
    """Amazon's own variables on the machine do not move the store: only its options count."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    url = S3Store(s3_options(endpoint_url="", region="eu-central-1")).url("a")
    assert url.startswith(f"https://s3.eu-central-1.amazonaws.com/{s3_options().bucket}/")
    assert "other" not in url
