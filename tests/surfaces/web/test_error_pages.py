"""Errors behind pages: each is answered in the frame of the panel, and a fault of ours is logged."""

import re
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from imgen.domain.errors import Unavailable
from imgen.domain.user import User
from imgen.services.accounts import people
from imgen.surfaces.web.account import Account
from imgen.surfaces.web.sections import NAV
from imgen.surfaces.web.shell import Shell

BROWSER = {"Accept": "text/html,*/*"}
ADMIN = User(id="usr_admin", name="admin", role="admin", must_change_password=False)
ERRORS = {"fault": ZeroDivisionError("1 / 0"), "away": Unavailable("Redis"), "closed": HTTPException(403, "Not yours")}


async def fail(request):
    """A page that meets the error of its path."""
    raise ERRORS[request.path_params["kind"]]


async def break_off(_request):
    """A page that fails after its first bytes."""

    async def body():
        yield b"first"
        raise ZeroDivisionError

    return StreamingResponse(body())


@pytest.fixture
def visit(core):
    """Gives a function that runs a test with a browser at an application of the shell, and the first password of `mira`."""

    def run(work):
        async def inside(opened):
            password = await people.add(opened, ADMIN, name="mira", role="admin", tenant_ids=())
            shell = Shell(opened, NAV)
            app = Starlette(
                routes=[*Account(shell).routes(), Route("/fail/{kind}", fail), Route("/half", break_off)],
                middleware=shell.middleware(),
                exception_handlers=shell.exception_handlers(),
            )

            transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                await work(client, password)

        with ThreadPoolExecutor(1) as other:  # in this thread Playwright keeps an event loop
            other.submit(core, inside).result()

    return run


async def sign_in(client, password):
    token = re.search(r'name="csrftoken" value="([^"]+)"', (await client.get("/sign-in")).text)[1]
    await client.post("/sign-in", data={"name": "mira", "password": password, "csrftoken": token})


def test_an_error_is_a_page_in_the_frame(visit):
    """Fault, unknown path, wrong method, refusal and outage: each is HTML with the navigation, the status and its words."""

    async def work(client, password):
        await sign_in(client, password)
        for method, path, status, words in (
            ("GET", "/fail/fault", 500, "Something went wrong"),
            ("GET", "/fail/away", 503, "does not answer"),
            ("GET", "/fail/closed", 403, "Not yours"),
            ("GET", "/nowhere", 404, "Not found"),
            ("PUT", "/sign-in", 405, "Not possible"),
        ):
            token = {"x-csrftoken": client.cookies["csrftoken"]} if method == "PUT" else {}
            answer = await client.request(method, path, headers=BROWSER | token)
            assert (answer.status_code, words in answer.text) == (status, True), path
            assert 'aria-label="Main"' in answer.text, path
            assert "mira" in answer.text, path
            assert answer.headers["cache-control"] == "no-store", path

    visit(work)


def test_a_stranger_sees_no_navigation(visit):
    """Without a session the same page has no frame; other clients than browsers get JSON."""

    async def work(client, _password):
        answer = await client.get("/fail/fault", headers=BROWSER)
        assert (answer.status_code, "Something went wrong" in answer.text) == (500, True)
        assert 'aria-label="Main"' not in answer.text
        plain = await client.get("/fail/fault", headers={"Accept": "*/*"})
        assert (plain.status_code, plain.json()) == (500, {"error": "Internal error"})

    visit(work)


def test_a_fault_is_logged_with_its_path(visit):
    """The log has path and traceback; the page has neither."""

    async def work(client, _password):
        with capture_logs() as events:
            answer = await client.get("/fail/fault", headers=BROWSER)
        assert "ZeroDivisionError" not in answer.text
        assert [(event["event"], event["path"], event["log_level"]) for event in events] == [
            ("page failed", "/fail/fault", "error")
        ]
        assert events[0]["exc_info"]

    visit(work)


def test_a_page_that_has_begun_is_broken_off(visit):
    """No second answer is written behind the first bytes."""

    async def work(client, _password):
        answer = await client.get("/half", headers=BROWSER)
        assert answer.content == b"first"

    visit(work)
