"""Agents that have nothing but the address go the whole way from a 401 to a picture, and a person allows it in a real browser.

Three client libraries: the `mcp` package's own, the SDK for TypeScript, and FastMCP.
"""

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect
from servers.node import installed, node_program
from surfaces.mcp.people import await_listening
from surfaces.web import signing_in
from surfaces.web.conftest import TIMEOUT_MS, nobody_renders
from surfaces.web.signing_in import PASSWORD

TESTS = Path(__file__).parents[2]
AGENT = TESTS / "surfaces" / "mcp" / "lone_agent.py"
CLIENTS = {
    "mcp": lambda: [sys.executable, AGENT, "mcp"],
    "TypeScript": lambda: [node_program(), installed() / "lone_agent.mjs"],
    "fastmcp": lambda: [sys.executable, AGENT, "fastmcp"],
}
"""Client → the command of its agent, short of the address."""


@pytest.fixture(scope="module")
def person(web):
    """Name of somebody who has signed up, and so has a tenant on the plan of sign-ups, and PASSWORD."""
    name = f"agatha{secrets.token_hex(3)}"
    form = {"name": name, "password": PASSWORD, "again": PASSWORD}
    with httpx2.Client(base_url=web.url, timeout=30) as client:
        assert signing_in.post(client, "/sign-up", form, page="/sign-up").status_code == 303
    return name


@pytest.fixture
def page(chromium):
    """A page of a profile of its own, which may go to this machine alone."""
    context = chromium.new_context()
    context.set_default_timeout(TIMEOUT_MS)
    context.route(re.compile("^https:"), lambda route: route.abort())
    yield context.new_page()
    context.close()


@contextlib.contextmanager
def started(command, folder):
    """Runs an agent; gives a function that waits for its next step."""
    environ = os.environ | {"PYTHONPATH": str(TESTS), "BROWSER": "echo", "HOME": str(folder)}
    errors = folder / "stderr.log"
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=environ, cwd=folder, text=True) as agent,
    ):

        def step():
            line = agent.stdout.readline().strip()
            assert line, errors.read_text()[-4000:]
            return {"open": line} if line.startswith("http") else json.loads(line)

        try:
            yield step
        finally:
            agent.kill()


@pytest.mark.parametrize("client", CLIENTS)
def test_an_agent_with_the_address_alone_makes_a_picture(web, person, page, tmp_path, client):
    """It registers, a person signs in and allows it, it is told progress, draws, refreshes, revokes its rights, and has none."""
    with started([*CLIENTS[client](), f"{web.url}/mcp"], tmp_path) as step:
        with nobody_renders(web):
            address = step()["open"]
            page.goto(address)
            page.get_by_label("Name").fill(person)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("heading", name=f"Connect Kite of {client}?")).to_be_visible()
            redirect_uri = await_listening(address)
            page.get_by_role("button", name="Allow").click()
            page.wait_for_url(re.compile(re.escape(redirect_uri)), wait_until="commit")
            assert step()["progress"] == 0
        done = step()
    assert not done["failed"]
    assert done["shares"] == sorted(set(done["shares"]))
    assert done["content"] == ["text", "image"]
    assert done["job"]["state"] == "completed"
    picture = httpx2.get(done["job"]["url"], timeout=30)
    assert picture.headers["content-type"] == "image/png"
    assert done["scope"] == "generate read"
    assert done["refreshed"]
    assert done["statuses"] == [200, 200, 401]
