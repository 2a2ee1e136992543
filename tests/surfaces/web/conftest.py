"""A stack with the web face and a real browser that reports every console error and every request to elsewhere."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from servers.stack import start_stack, stop_between_writes
from surfaces.web import signing_in
from surfaces.web.signing_in import PASSWORD

AXE = Path(__file__).parents[2] / "servers" / "vendor" / "axe-4.14.1.min.js"
SETTINGS = '[review]\nfree_blocks = 100000\n[accounts]\nsign_up = "open"\n'
PLANS = '[three]\nlabel = "Three a day"\npictures_per_day = 3\n'
TIMEOUT_MS = 30_000
"""Of what is expected of a page: a busy machine takes its time."""
FLAGS = (
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


@pytest.fixture(scope="session")
def web(tmp_path_factory):
    """The whole stack with an instant engine; its first administrator has chosen PASSWORD: `first_run` has the answers."""
    data = tmp_path_factory.mktemp("web") / "var"
    data.mkdir()
    (data / "plans.toml").write_text(PLANS)
    with start_stack(data, settings=SETTINGS) as stack:
        stack.first_run = begin(stack, re.search(r"sign in as admin with (\S+)", "\n".join(stack.lines))[1])
        yield stack


def begin(stack, first):
    """Statuses and addresses that are answered to the first administrator, by step."""
    with httpx2.Client(base_url=stack.url, timeout=30) as client:
        answers = {
            "signed in": signing_in.enter(client, "admin", first),
            "asked for keys": client.get("/panel/keys"),
            "changed it": signing_in.post(client, "/panel/account", {"old": first, "new": PASSWORD, "again": PASSWORD}),
            "asked for keys again": client.get("/panel/keys"),
        }
        client.cookies.clear()
        answers["signed in as at first"] = signing_in.enter(client, "admin", first)
    return {step: (answer.status_code, answer.headers.get("location")) for step, answer in answers.items()}


@pytest.fixture(scope="package")
def chromium():
    """The system's Chromium. Playwright keeps an event loop running, which other folders' tests would trip over: it ends with this one."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium: `make test` installs it where it may")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def watched(chromium):
    """Opens pages of a stack, each in a browser profile of its own; no console error and no request to elsewhere is allowed."""
    contexts, problems = [], []

    def make(url, **options):
        context = chromium.new_context(**{"base_url": url, "viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.expected = []  # substrings of console errors that the test provokes itself
        page.on(
            "console",
            lambda message: (
                message.type == "error"
                and not any(words in message.text for words in page.expected)
                and problems.append(f"console: {message.text} at {page.url}")
            ),
        )
        page.on("pageerror", lambda error: problems.append(f"script: {error}"))
        page.on(
            "request",
            lambda request: (
                request.url.startswith((url, "data:", "blob:")) or problems.append(f"request to {request.url}")
            ),
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def open_page(web, watched):
    """The same of the stack that tests share."""
    return functools.partial(watched, web.url)


def sign_in(page, name="admin", password=PASSWORD):
    """Through the form."""
    page.goto("/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"/(panel.*)?$"))
    return page


def enter(page, name="admin", path="/"):
    """A page of a user with PASSWORD; who has signed in before has the cookies of then, while they are good."""
    if known := _cookies.get(name):
        page.context.add_cookies(known)
        page.goto(path)
    if not known or page.url.endswith("/sign-in"):
        sign_in(page, name).goto(path)
        _cookies[name] = page.context.cookies()
    return page


_cookies = {}
"""Name → cookies of a session."""


@pytest.fixture
def admin(open_page):
    """A page of the signed-in administrator."""
    return enter(open_page(), path="/panel")


@pytest.fixture(scope="session")
def made(web):
    """Jobs of prompts that no other test uses: two completed, one withheld with a picture, one by the floor."""
    jobs = {
        "lamp": web.generate("a green lamp <b>bold</b>", format="png"),
        "kite": web.generate("@aya a yellow kite"),
        "statue": web.generate("nude bronze woman in a niche"),
        "floor": web.generate("nude child in a niche"),
    }
    for job in jobs.values():
        web.wait(job)
    return jobs


def polled(page, status):
    """Once the open page has asked whether anything changed."""
    with page.expect_response(lambda answer: "shown=" in answer.url and answer.status == status):
        pass


@pytest.fixture
def photo(tmp_path):
    """A picture file, 400 × 600."""
    path = tmp_path / "photo.png"
    Image.linear_gradient("L").convert("RGB").resize((400, 600)).save(path)
    return path


@contextlib.contextmanager
def nobody_renders(web):
    """No job gets further than the queue."""
    workers = web.pids()["render"]
    try:
        stop_between_writes(web.data, workers)
        yield
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)


def violations(page):
    """Faults that axe-core finds against WCAG 2 A and AA on the page as it is, in light or dark."""
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})"
        ".then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.target.join(' '))]))"
    )
    return json.dumps(found) if found else ""
