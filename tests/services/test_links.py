"""Pre-signed URLs of a job's files: for as long as configured, and none for what is withheld for good."""

from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from imgen import settings
from imgen.domain.outcome import Blocked, Outcome, StoredImage
from imgen.objects.disk import DiskStore
from imgen.services.links import picture_links, thumbnail_url, withheld_url

NOW = 1_800_000_000
EXPIRES_S = 60
IMAGES = (
    StoredImage(key="pictures/ten_1/g/g_1.png", filename="g_1.png", type="signed"),
    StoredImage(key="pictures/ten_1/g/g_1_thumb.png", filename="g_1_thumb.png", type="thumbnail"),
)


@pytest.fixture
def core(tmp_path):
    """The two parts of a Core that links need."""
    (tmp_path / "imgen.toml").write_text(f"[objects]\nurl_expires_s = {EXPIRES_S}\n")
    loaded = settings.load(tmp_path)
    store = DiskStore(tmp_path / "objects", base_url="http://x", secret=b"s" * 32, clock=lambda: NOW)
    return SimpleNamespace(settings=loaded, objects=store)


def expires(url):
    return int(parse_qs(urlsplit(url).query)["expires"][0])


def test_links_live_as_long_as_configured(core):
    """Every kind heeds `[objects] url_expires_s`."""
    outcome, withheld = (
        Outcome(images=IMAGES),
        Outcome(blocked=Blocked(names=(), categories=(), unsafe_key="withheld/a")),
    )
    links = picture_links(core, outcome)
    assert [(link.type, link.filename) for link in links] == [("signed", "g_1.png"), ("thumbnail", "g_1_thumb.png")]
    urls = [*(link.url for link in links), thumbnail_url(core, outcome), withheld_url(core, withheld)]
    assert {expires(url) for url in urls} == {NOW + EXPIRES_S}


def test_what_is_not_there_has_no_link(core):
    """No outcome, files that retention removed, and a picture that was withheld before it was kept."""
    assert thumbnail_url(core, None) == thumbnail_url(core, Outcome()) == ""
    assert picture_links(core, Outcome()) == ()
    assert withheld_url(core, Outcome()) == ""
    assert withheld_url(core, Outcome(blocked=Blocked(names=(), categories=()))) == ""


def test_the_floor_has_no_link(core):
    """Whatever key is stored, nobody gets the URL of what the floor blocks."""
    assert (
        withheld_url(core, Outcome(blocked=Blocked(names=(), categories=(), floor=True, unsafe_key="withheld/a"))) == ""
    )
