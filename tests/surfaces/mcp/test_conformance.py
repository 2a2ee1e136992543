"""Conformance suite of the Model Context Protocol (npm, 0.2.0-alpha.12), by its own account of what a revision requires.

Scenarios that need no fixtures run against Imgen, all others against a server with the suite's fixtures behind the same admission and
transport. The suite sends no token to servers, so one is added on the way. Not scored by the suite, and left out: scenarios of
extensions (tasks), and those that are pending in a revision. Scenarios of authorization servers, which belong to no revision's
requirements, all run against Imgen.
"""

import asyncio
import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from servers.asgi import start_asgi
from servers.mcp_fixture import make_fixture
from servers.node import installed, node_program
from servers.stack import free_port
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from surfaces.mcp.agents import MODERN, OLDER, WAIT_S
from surfaces.mcp.people import allow, await_listening, signed_in

from imgen.app import close_core, create_app, open_core
from imgen.asgi.running_route import running
from imgen.surfaces.mcp.route import McpRoute

pytestmark = pytest.mark.faults

SUITE = Path(__file__).parents[2] / "node_conformance"
RUN_TIMEOUT_S = 240
TIME = re.compile(r"-\d{4}-\d\d-\d\dT.*")
"""End of the name of a result's folder."""
ON_IMGEN = {
    MODERN: {
        "tools-list", "server-sse-multiple-streams", "sep-2164-resource-not-found", "dns-rebinding-protection",
        "input-required-result-missing-input-response", "input-required-result-unsupported-methods",
        "input-required-result-ignore-extra-params", "input-required-result-validate-input", "http-header-validation",
    },
    OLDER: {
        "server-initialize", "ping", "tools-list", "server-sse-multiple-streams", "dns-rebinding-protection",
        "server-session-lifecycle",
    },
}  # fmt: skip
"""Revision → scenarios without fixtures; every check of them passes."""
CONTENT = {
    "completion-complete", "tools-call-simple-text", "tools-call-image", "tools-call-audio", "tools-call-embedded-resource",
    "tools-call-mixed-content", "tools-call-error", "tools-call-with-progress", "resources-list", "resources-read-text",
    "resources-read-binary", "resources-templates-read", "prompts-list", "prompts-get-simple", "prompts-get-with-args",
    "prompts-get-embedded-resource", "prompts-get-with-image",
}  # fmt: skip
ON_FIXTURES = {MODERN: CONTENT | {"server-stateless", "caching"} | ON_IMGEN[MODERN], OLDER: CONTENT | ON_IMGEN[OLDER]}
"""Revision → scenarios that pass with the suite's fixtures."""
NOT_SERVED = {
    MODERN: {
        "input-required-result-basic-elicitation": "Imgen's tools ask their callers for nothing",
        "input-required-result-basic-sampling": "as above",
        "input-required-result-basic-list-roots": "as above",
        "input-required-result-request-state": "as above",
        "input-required-result-multiple-input-requests": "as above",
        "input-required-result-multi-round": "as above",
        "input-required-result-non-tool-request": "as above",
        "input-required-result-result-type": "as above",
        "input-required-result-tampered-state": "as above",
        "input-required-result-capability-check": "as above",
    },
    OLDER: {
        "logging-set-level": "deprecated; Imgen logs nothing to clients",
        "tools-call-with-logging": "as above",
        "tools-call-sampling": "needs requests to the client, which a server without sessions does not send",
        "tools-call-elicitation": "as above",
        "elicitation-sep1034-defaults": "as above",
        "elicitation-sep1330-enums": "as above",
        "resources-subscribe": "needs a stream beside the requests, which a server without sessions does not have",
        "resources-unsubscribe": "as above",
    },
}
"""Revision → scenarios that are not served, and why."""
UNSCORED = {
    MODERN: {"json-schema-2020-12", "http-custom-header-server-validation"},
    OLDER: {"json-schema-2020-12", "server-sse-polling"},
}
"""Revision → pending scenarios that ask for fixtures which no tool of Imgen resembles."""

AUTHORIZATION = {
    "authorization-server-metadata-endpoint": {"authorization-server-metadata", "authorization-server-metadata-cimd"},
    "authorization-code-grant": {"authorization-code-grant"},
}
"""Scenario of authorization servers → its checks; the suite has no other."""


class WithKey:
    """Application whose callers have a key, since the suite sends none."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._header = (b"authorization", f"Bearer {key}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], self._header]}
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def imgen(agents) -> Iterator[str]:
    """Address of Imgen."""

    def make_app(url: str) -> ASGIApp:
        host, _, port = url.removeprefix("http://").partition(":")
        return WithKey(create_app(agents.api.settings.with_address(host, int(port))), agents.api.key)

    with start_asgi(make_app, lifespan="on") as url:
        yield url + "/mcp"


@pytest.fixture(scope="module")
def fixtures(agents) -> Iterator[str]:
    """Address of the suite's fixtures behind Imgen's admission and transport."""

    def make_app(url: str) -> ASGIApp:
        host, _, port = url.removeprefix("http://").partition(":")
        core = open_core(agents.api.settings.with_address(host, int(port)))
        routes = [McpRoute(core, lambda _core: make_fixture())]

        @contextlib.asynccontextmanager
        async def lifespan(_app):
            async with running(routes):
                yield
            await close_core(core)

        return WithKey(Starlette(routes=routes, lifespan=lifespan), agents.api.key)

    with start_asgi(make_app, lifespan="on") as url:
        yield url + "/mcp"


def results(url: str, revision: str, folder: Path) -> dict[str, list[str]]:
    """Scenario → its failed checks, of all that a revision requires."""
    command = [*suite(), "server", "--url", url, "--requirements", revision, "-o", folder]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False, timeout=RUN_TIMEOUT_S)
    return {
        name: [f"{one['id']}: {one.get('errorMessage')}" for one in found if one["status"] == "FAILURE"]
        for name, found in checks(folder, "server-").items()
    }


def suite() -> list[Path]:
    """The suite's command."""
    folder = installed(SUITE) / "node_modules" / "@modelcontextprotocol" / "conformance"
    return [node_program(), folder / "dist" / "index.js"]


def checks(folder: Path, prefix: str) -> dict[str, list[dict]]:
    """Scenario → its checks, of a run of the suite."""
    found = {path.parent.name: path for path in folder.glob(f"{prefix}*/checks.json")}
    return {TIME.sub("", name.removeprefix(prefix)): json.loads(path.read_text()) for name, path in found.items()}


@pytest.mark.parametrize("revision", [MODERN, OLDER])
def test_imgen_passes_what_needs_no_fixtures(imgen, revision, tmp_path):
    """Each check of each of these scenarios."""
    found = results(imgen, revision, tmp_path)
    assert {name: failed for name in ON_IMGEN[revision] if (failed := found.get(name, ["did not run"]))} == {}


@pytest.mark.parametrize("revision", [MODERN, OLDER])
def test_the_fixtures_pass_behind_the_same_admission_and_transport(fixtures, revision, tmp_path):
    """All that the revision requires, but what is listed with a reason."""
    found = results(fixtures, revision, tmp_path)
    scored = {name: failed for name, failed in found.items() if not name.startswith("tasks-")}
    assert set(scored) - UNSCORED[revision] == ON_FIXTURES[revision] | set(NOT_SERVED[revision])
    assert {name: scored[name] for name in ON_FIXTURES[revision] if scored[name]} == {}


def test_the_authorization_server_passes(agents, tmp_path):
    """Each check of each scenario, advice included: the suite asks for consent, a person allows it, and a code becomes a token."""
    port = free_port()
    metadata = {"redirect_uris": [f"http://127.0.0.1:{port}/callback"], "token_endpoint_auth_method": "none"}
    client_id = httpx2.post(f"{agents.api.url}/register", json=metadata, timeout=WAIT_S).json()["client_id"]
    options = ["--url", agents.api.url, "--client-id", client_id, "--resource", agents.url, "-p", str(port)]
    command = [*suite(), "authorization", *options, "-o", tmp_path]

    async def consent(address):
        async with signed_in(agents) as browser, httpx2.AsyncClient(timeout=WAIT_S) as application:
            location = await allow(browser, address)
            await asyncio.to_thread(await_listening, address)
            assert (await application.get(location)).status_code == 200

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            address = next(line.strip() for line in running.stdout if line.startswith(f"{agents.api.url}/authorize?"))
            agents.run(lambda: consent(address))
            running.communicate(timeout=RUN_TIMEOUT_S)
        finally:
            running.kill()
    found = checks(tmp_path, "authorization-server-")
    assert {name: {one["id"] for one in made} for name, made in found.items()} == AUTHORIZATION
    assert [one for made in found.values() for one in made if one["status"] != "SUCCESS"] == []
