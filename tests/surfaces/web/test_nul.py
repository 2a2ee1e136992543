"""NUL in what a browser sends: no id has one, PostgreSQL refuses it in any text, and nobody gets an error of ours for it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from servers.local import prepare, run_with_core
from servers.panel import open_panel
from starlette.routing import Route

from imgen.surfaces.web.account import Account
from imgen.surfaces.web.sections import SECTIONS
from imgen.surfaces.web.shell import Shell

NUL = "%00"
QUERY = (
    "state",
    "key",
    "model",
    "character",
    "review",
    "words",
    "since",
    "until",
    "after",
    "before",
    "by",
    "job",
    "view",
    "starred",
    "left",
    "right",
)
FORMS = {
    "/sign-in": {"name": "mira", "password": "wrong"},
    "/panel/account": {"old": "wrong", "new": "correct horse battery", "again": "correct horse battery"},
    "/account/tenants": {"name": "north"},
    "/invitation": {"token": "x"},
    "/invitation/accept": {"token": "x", "as": "new", "name": "eve", "password": "correct horse battery"},
    "/password-reset": {"token": "x"},
    "/password-reset/set": {"token": "x", "new": "correct horse battery", "again": "correct horse battery"},
    "/panel/people": {"name": "ada", "role": "admin", "tenant": "ten_1"},
    "/panel/keys": {"name": "shop", "tenant": "ten_1", "days": "3", "scope": "read"},
    "/panel/webhooks": {"tenant": "ten_1", "url": "https://hooks.example.com/", "event": "job.failed"},
    "/panel/webhooks/secret": {"tenant": "ten_1", "new": "yes"},
    "/panel/cache/purge": {"tenant": "ten_1", "model": "eros"},
    "/play": {
        "prompt": "red coat",
        "negative": "hat",
        "model": "eros",
        "tenant": "ten_1",
        "cs_author": "Ada",
        "precompliance": "x",
    },
    "/play/code": {"prompt": "red coat", "negative": "hat", "model": "eros"},
}


@pytest.fixture
def visit(tmp_path, clean_redis, database):
    """Runs a test with a signed-in browser and all routes of the web face, over both kinds of database."""
    url = database.engine.url.render_as_string(hide_password=False)

    def run(work):
        async def inside(core):
            async with open_panel(core, [section for section in SECTIONS if section is not Account]) as browser:
                shell = Shell(core, [])
                await work(browser, [route for section in SECTIONS for route in section(shell).routes()])

        loaded = prepare(tmp_path / "var", clean_redis, f'[database]\nurl = "{url}"\n')
        with ThreadPoolExecutor(1) as other:  # in this thread Playwright keeps an event loop
            other.submit(run_with_core, loaded, inside).result()

    return run


def calls(routes):
    for route in routes:
        if isinstance(route, Route) and route.path not in ("/sign-out", "/panel/account/sign-out-elsewhere"):
            for method in route.methods - {"HEAD"}:
                yield method, route


def test_path_with_a_nul_leads_nowhere(visit):
    """Every page of one thing: 404, as for any id that nobody has."""

    async def work(browser, routes):
        asked = []
        for method, route in calls(routes):
            for name in (NUL, f"job_1{NUL}", f"{NUL}mira"):
                if "{" in route.path:
                    path = route.path.partition("{")[0] + name + route.path.partition("}")[2]
                    answer = await (browser.get(path) if method == "GET" else browser.post(path))
                    asked.append((method, path, answer.status_code))
        assert len(asked) > 10
        assert [one for one in asked if one[2] != 404] == []

    visit(work)


def test_query_with_a_nul_is_that_without_it(visit):
    """Filters and cursors of every list: no fault of ours, and no outage told."""

    async def work(browser, routes):
        told = []
        for method, route in calls(routes):
            if method == "GET" and "{" not in route.path:
                for name in QUERY:
                    answer = await browser.get(f"{route.path}?{name}=a{NUL}b")
                    told.append((route.path, name, answer.status_code))
        assert [one for one in told if one[2] >= 500] == []

    visit(work)


def test_form_with_a_nul_is_no_fault_of_ours(visit):
    """Whatever the forms of the panel send: taken without it, or refused."""

    async def work(browser, _routes):
        told = []
        for path, form in FORMS.items():
            for name in form:
                answer = await browser.post(path, **form | {name: f"{form[name]}\0"})
                told.append((path, name, answer.status_code))
        assert [one for one in told if one[2] >= 500] == []

    visit(work)
