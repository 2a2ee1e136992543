"""Conformance suite of the Model Context Protocol (npm, 0.2.0-alpha.12), by its own account of what a revision requires.

Scenarios that need no fixtures run against Imgen, all others against a server with the suite's fixtures behind the same admission and
transport. The suite sends no token, so one is added on the way. Not scored by the suite, and left out: scenarios of extensions (tasks),
and those that are pending in a revision.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.asgi import start_asgi
from servers.mcp_fixture import make_fixture
from servers.node import installed, node_program
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from surfaces.mcp.agents import MODERN, OLDER

from imgen.app import close_core, create_app, open_core
from imgen.asgi.running_route import running
from imgen.surfaces.mcp.route import McpRoute

pytestmark = pytest.mark.faults

SUITE = Path(__file__).parents[2] / "node_conformance"
RUN_TIMEOUT_S = 240
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
    program = installed(SUITE) / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    command = [node_program(), program, "server", "--url", url, "--requirements", revision, "-o", folder]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False, timeout=RUN_TIMEOUT_S)
    found = {}
    for path in folder.glob("server-*/checks.json"):
        name = path.parent.name.removeprefix("server-").rpartition("-20")[0]
        checks = json.loads(path.read_text())
        found[name] = [f"{one['id']}: {one.get('errorMessage')}" for one in checks if one["status"] == "FAILURE"]
    return found


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
