"""Surfaces as values: each path has one, and its dialect answers what fails before a handler is reached."""

import gc
import json
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers.local import run_with_core
from servers.tables import make_tables
from starlette.routing import Match, Route
from starlette.testclient import TestClient

from imgen import app, composition, settings
from imgen.asgi.endpoint import json_answer
from imgen.domain import errors
from imgen.surfaces.surface import STATUSES, Problem, Surface, json_error, problem_of, status_of, surface_at

ROOT_FOLDER = Path(__file__).parents[2]
SHOP = "https://shop.example.com"


def surface(*prefixes, **changes):
    return Surface(prefixes=prefixes, routes=lambda _core: [], **changes)


ROOT, API, DEEP = surface("/", "/panel"), surface("/api/v2"), surface("/api/v2/images", "/v1")


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/api/v2", API),
        ("/api/v2/", API),
        ("/api/v2/x", API),
        ("/api/v2/images", DEEP),
        ("/api/v2/images/1", DEEP),
        ("/api/v2/imagesx", API),
        ("/api/v22", ROOT),
        ("/v1/models", DEEP),
        ("/panel", ROOT),
        ("/nope", ROOT),
        ("/", ROOT),
        ("", ROOT),
        ("//api/v2", API),
        ("*", ROOT),
    ],
)
def test_the_longest_prefix_owns_a_path(path, owner):
    """Prefixes count by whole segments, and the root has all that is left."""
    assert surface_at(path, (API, ROOT, DEEP)) is owner


def test_every_prefix_of_the_app_has_one_owner():
    """No two surfaces claim the same, and one has the root."""
    prefixes = [prefix for each in app.SURFACES for prefix in each.prefixes]
    assert len(set(prefixes)) == len(prefixes)
    assert "/" in prefixes


def test_statuses_go_by_the_nearest_parent():
    """A child counts as its parent; what no parent has is a fault of ours."""
    assert (status_of(errors.InvalidKey), status_of(errors.OutOfScope), status_of(errors.Forbidden)) == (401, 403, 403)
    assert (status_of(errors.Unavailable), status_of(errors.LeaseLost)) == (503, 500)
    assert errors.Unavailable not in STATUSES


def test_a_problem_tells_no_internals():
    """Texts of 500 and 503 are general; where waiting helps the answer says how long."""
    assert problem_of(errors.Retryable("disk /srv/x is full")) == Problem(
        503, "Service unavailable", {"Retry-After": "2"}
    )
    assert problem_of(errors.LeaseLost("secret")) == Problem(500, "Internal error")
    assert problem_of(errors.QueueFull(retry_after_s=10)) == Problem(429, "Queue is full", {"Retry-After": "10"})
    assert problem_of(errors.InvalidField("seed")) == Problem(400, "Invalid seed")


def test_every_surface_is_in_the_contract_of_independence():
    """The contract in pyproject.toml names the modules of SURFACES, all of them and no other."""
    contracts = tomllib.loads((ROOT_FOLDER / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    independent = next(contract["modules"] for contract in contracts if contract["type"] == "independence")
    assert sorted(independent) == sorted(each.routes.__module__ for each in app.SURFACES)


@pytest.fixture
def loaded(tmp_path):
    """Settings of a data folder with an empty database."""
    loaded = settings.load(tmp_path)
    database = composition.open_database(loaded)
    make_tables(database)
    database.close()
    return loaded


def test_every_route_is_under_a_prefix_of_its_surface(loaded):
    """The surface that gives a route is the one whose dialect answers its failures."""

    async def check(core):
        for each in app.SURFACES:
            for route in each.routes(core):
                for path in [route.path] if isinstance(route, Route) else each.prefixes:
                    assert surface_at(path, app.SURFACES) is each, path
                    assert route.matches({"type": "http", "path": path, "method": "GET"})[0] is not Match.NONE, path

    run_with_core(loaded, check)


@pytest.fixture
def client(loaded, monkeypatch):
    """The application with one more surface, whose errors have a form of their own."""
    with serve(loaded, monkeypatch) as client:
        yield client


@contextmanager
def serve(loaded, monkeypatch):
    """Serves the application with one more surface, whose errors have a form of their own."""

    def broken(_request):
        raise RuntimeError("nobody foresaw this")

    def error(problem):
        return json_answer({"detail": [problem.text]}, problem.status, problem.headers)

    routes = [Route("/forge/x", broken)]
    forge = Surface(prefixes=("/forge",), routes=lambda _core: routes, error=error, describe=broken)
    monkeypatch.setattr(app, "SURFACES", (*app.SURFACES, forge))
    with TestClient(app.create_app(loaded), raise_server_exceptions=False) as client:  # closes the core at its end
        yield client
    gc.unfreeze()  # a serving process never ends what it has frozen; this one goes on


@pytest.mark.parametrize("path", ["/forge/x", "/openapi.json", "/forge/nope"])
def test_a_configured_origin_may_read_failures(loaded, monkeypatch, path):
    """A fault too, whose answer has each header once."""
    open_to_shop = loaded.http.model_copy(update={"cors_origins": (SHOP,)})
    with serve(loaded.model_copy(update={"http": open_to_shop}), monkeypatch) as client:
        answer = client.get(path, headers={"Origin": SHOP})
        assert answer.status_code == (404 if path == "/forge/nope" else 500)
        assert answer.headers.get_list("access-control-allow-origin") == [SHOP]
        assert len(answer.headers.get_list("x-request-id")) == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/forge/nope", 404, {"detail": ["Not found"]}),
        ("POST", "/forge/x", 405, {"detail": ["Method not allowed"]}),
        ("GET", "/forge/x", 500, {"detail": ["Internal error"]}),
        ("GET", "/openapi.json", 500, {"error": "Internal error"}),
        ("GET", "/forgery", 404, {"error": "Not found"}),
        ("GET", "/api/v2/x", 404, {"error": "Not found"}),
        ("GET", "/api/v2", 405, {"error": "Method not allowed"}),
        ("POST", "/healthz", 405, {"error": "Method not allowed"}),
    ],
)
def test_what_reaches_no_handler_is_answered_in_the_dialect_of_its_path(client, method, path, status, body):
    """404, 405 and 500 have the form of the surface that owns the path, 405 with the methods that there are."""
    answer = client.request(method, path)
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (status, body, "application/json")
    assert ("allow" in answer.headers) == (status == 405)


def test_a_broken_connection_is_answered_in_the_dialect_of_its_path(client):
    """Refusals of the protocol itself have the dialect of their path."""
    assert json.loads(app.refusal("/forge/x", 408, "Request timed out")[1]) == {"detail": ["Request timed out"]}
    assert app.refusal("/api/v2", 431, "x") == json_error(Problem(431, "x"))


def test_an_unknown_path_is_a_page_for_browsers(client):
    """A browser that asks for a path of no surface gets the page for it; paths of other surfaces keep their dialect."""
    browser = {"Accept": "text/html,*/*"}
    page = client.get("/nowhere/at/all", headers=browser)
    assert (page.status_code, "<h1>Not found</h1>" in page.text) == (404, True)
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/forge/nope", headers=browser).json() == {"detail": ["Not found"]}
    assert client.get("/api/v2", headers=browser).json() == {"error": "Method not allowed"}
    assert client.post("/nowhere", headers=browser).json() == {"error": "Not found"}
