"""Warnings about settings that are allowed and dangerous: from the command line and in the panel."""

import fcntl

import httpx2
import pytest
from servers.command import run_command
from signing_chains import make_chain
from starlette.applications import Starlette
from starlette.routing import Route

from imgen import settings
from imgen.domain.user import User
from imgen.settings.addresses import is_loopback
from imgen.settings.advice import unseen_pictures
from imgen.surfaces.web.overview import Overview
from imgen.surfaces.web.sections import NAV
from imgen.surfaces.web.shell import Shell

WARNING = "Nobody looks at pictures"
ADMIN = User(id="usr_admin", name="admin", role="admin", must_change_password=False)
MEMBER = User(id="usr_member", name="mira", role="member", must_change_password=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST."])
def test_loopback(host):
    """Only this machine can call these."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.7", "img.example", "localhost.example"])
def test_everything_else_is_reached_by_others(host):
    """Names are not looked up: one that is unknown counts as reached."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("http", "review", "is_warned"),
    [
        ("", "", False),
        ('host = "::1"', "", False),
        ('host = "0.0.0.0"', "", True),
        ('host = "::"', "", True),
        ('host = "10.0.0.5"', "", True),
        ('public_url = "https://img.example"', "", True),
        ('public_url = "http://localhost:9000"', "", False),
        ('host = "0.0.0.0"', 'reviewers = ["rules", "nudity"]', False),
        ('host = "0.0.0.0"', 'reviewers = ["moderation"]', False),
        ('host = "0.0.0.0"', 'reviewers = ["rules", "vision"]', False),
    ],
)
def test_pictures_that_nobody_looks_at(tmp_path, http, review, is_warned):
    """Warned where others reach the API and every reviewer reads words alone."""
    (tmp_path / "imgen.toml").write_text(f"[http]\n{http}\n[review]\n{review}\n")
    warning = unseen_pictures(settings.load(tmp_path, environ={}))
    assert (WARNING in warning) is is_warned
    assert bool(warning) is is_warned


@pytest.fixture
def data(tmp_path):
    """A data folder of an API that others reach."""
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "imgen.toml").write_text('[http]\nhost = "0.0.0.0"\n')
    return folder


def test_doctor_warns(data):
    """A line of its own, in plain words; a warning is nothing missing."""
    said = run_command("doctor", "--data", str(data)).stdout
    assert "│ warning │ Nobody looks at" in said
    (data / "imgen.toml").write_text("")
    assert "Nobody looks at" not in run_command("doctor", "--data", str(data)).stdout


def test_doctor_opens_the_reviewers(data):
    """One that cannot work is told as it would be at the start of a worker."""
    (data / "imgen.toml").write_text('[review]\nreviewers = ["rules", "vision"]\nmodel = "eye"\n')
    assert "base_url is empty" in run_command("doctor", "--data", str(data)).stdout
    (data / "imgen.toml").write_text('[review]\nreviewers = ["nobody"]\n')
    assert "no nobody" in run_command("doctor", "--data", str(data)).stdout


def test_up_warns_in_its_first_line(data):
    """Before anything is made or started; here another stack holds the folder, so nothing is."""
    with (data / "up.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run_command("up", "--data", str(data))
    assert done.returncode == 1
    assert WARNING in done.stdout.splitlines()[0]
    with (data / "up.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert WARNING not in run_command("up", "--host", "127.0.0.1", "--data", str(data)).stdout


async def overviews(opened):
    """Texts of the overview as an administrator and as a member see it."""
    shell = Shell(opened, NAV)
    overview = Overview(shell)

    def page(user):
        async def endpoint(request):
            request.state.user = user
            return await overview.overview(request, user)

        return endpoint

    routes = [Route("/admin", page(ADMIN)), Route("/member", page(MEMBER))]
    app = Starlette(routes=routes, middleware=shell.middleware())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as client:
        answers = [await client.get(path) for path in ("/admin", "/member")]
    assert [answer.status_code for answer in answers] == [200, 200]
    return [answer.text for answer in answers]


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_the_overview_warns_administrators(core, host):
    """At the top of the panel, for those who can mend it."""

    async def work(opened):
        assert [WARNING in text for text in await overviews(opened)] == [host == "0.0.0.0", False]

    core(work, f'[http]\nhost = "{host}"\n')


def test_the_overview_tells_administrators_of_the_certificates_end(core):
    """Nothing of one that lasts; then the day on which it ends, and that it is over."""

    async def work(opened):
        folder = opened.settings.data_dir / "credentials"
        for days, told in ((40, ""), (5, "certificate ends on"), (-1, "certificate ended on")):
            make_chain(folder, days)
            admin, member = await overviews(opened)
            assert ("signing certificate" in admin) == bool(told)
            assert told in admin
            assert "signing certificate" not in member

    core(work)
