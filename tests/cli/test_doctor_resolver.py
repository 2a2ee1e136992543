"""`imgen doctor` on the resolver: what is open to the public is asked as readers elsewhere ask it, through the proxy."""

import json

import pytest
from servers.faulty_http import answer, forward, start_faulty_http
from servers.local import start_local_api

from imgen import settings
from imgen.cli import doctor
from imgen.surfaces.provenance.documents import WELL_KNOWN

PUBLIC = '[provenance]\nresolution = "public"\n'
OPEN = {"Access-Control-Allow-Origin": "*"}


@pytest.fixture
def found(tmp_path):
    """Runs the check over a data folder with this imgen.toml; returns state and text, one behind the other."""

    def run(text):
        folder = tmp_path / "var"
        folder.mkdir(exist_ok=True)
        (folder / "imgen.toml").write_text(text)
        return ": ".join(doctor.check("resolver", settings.load(folder, environ={})))

    return run


@pytest.fixture
def proxy():
    """A server in front, which answers 404 until a test gives it a behaviour."""
    with start_faulty_http(answer(404)) as server:
        yield server


def at(url):
    """Settings with the resolver open to the public, at this public address."""
    return f'[http]\npublic_url = "{url}/"\n{PUBLIC}'


def but(upstream, path, behaviour):
    """Passes each request on, but for those of a path."""
    others = forward(upstream)
    return lambda exchange: (behaviour if exchange.path.startswith(path) else others)(exchange)


def test_nothing_is_asked_unless_the_public_is_let_in(found, proxy):
    """Off and for keys alone are fine, whatever the address; the public without an address is a warning."""
    for resolution, text in (("off", "off"), ("keys", "for keys alone")):
        closed = at(proxy.url).replace('"public"', f'"{resolution}"')
        assert found(closed) == f"ok: {text}"
    assert found(PUBLIC).startswith("warning: open to the public, but [http] public_url is not set")
    assert proxy.requests == []


def test_a_resolver_that_answers_is_told_with_its_address(tmp_path, redis_url, found, proxy):
    """A real one, through a proxy that passes all on; one that hides a path, adds a key or drops a header is wrong."""
    public = f'[http]\npublic_url = "{proxy.url}"\n{PUBLIC}'
    with start_local_api(tmp_path / "api", redis_url, public) as api:
        proxy.standing = forward(api.url)
        assert found(at(proxy.url)) == f"ok: readers find it at {proxy.url}{WELL_KNOWN}, without a key"
        assert all("Authorization" not in request.headers for request in proxy.requests)
        elsewhere = found(at(proxy.url.replace("127.0.0.1", "localhost")))
        assert elsewhere.startswith("wrong: ")
        assert f"apiEndpoint '{proxy.url}/c2pa/v1' instead of" in elsewhere
        for path, behaviour, text in (
            (WELL_KNOWN, answer(404), "status 404 instead of 200"),
            (WELL_KNOWN, answer(200, b"<html>", OPEN), "not the resolver's document"),
            ("/c2pa/v1/matches", answer(401), "/matches/byBinding: status 401 instead of 200"),
            ("/c2pa/v1/matches", answer(200, b'{"matches": []}'), "Access-Control-Allow-Origin None instead of '*'"),
            ("/c2pa/v1/services", answer(200, json.dumps({"status": "degraded", "timestamp": ""}).encode(), OPEN),
             "status 'degraded'; see database"),
        ):  # fmt: skip
            proxy.standing = but(api.url, path, behaviour)
            told = found(at(proxy.url))
            assert told.startswith("wrong: ")
            assert text in told
            assert "→ have the proxy pass" in told


def test_a_resolver_of_keys_is_no_public_one(tmp_path, redis_url, found, proxy):
    """The API was started with another setting: its 401 is told."""
    with start_local_api(tmp_path / "api", redis_url, f'[http]\npublic_url = "{proxy.url}"\n') as api:
        proxy.standing = forward(api.url)
        assert "/matches/byBinding: status 401" in found(at(proxy.url))


def test_an_address_that_is_away_is_a_warning(found):
    """Doctor may run before the service does; the address is told without a password."""
    told = found(at("http://me:hunter2@127.0.0.1:1"))
    assert told.startswith("warning: http://127.0.0.1:1 does not answer")
    assert "hunter2" not in told
