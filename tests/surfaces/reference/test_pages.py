"""Public pages: /docs, /reference, llms.txt and the pages that are not there."""

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient
from surfaces.reference.openapi import sent_examples, told_examples

from imgen.domain.outcome import Meta
from imgen.surfaces.action.actions import ACTIONS
from imgen.surfaces.action.failures import FAILURES
from imgen.surfaces.reference import prose
from imgen.surfaces.reference.pages import application

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "path", ["/openapi.json", "/reference", "/docs", "/docs/action", "/llms.txt", "/llms-full.txt"]
)
def test_it_is_public_and_guarded(server, path):
    """Nobody has to sign in, no cookie is set, and the security headers are there; only reading is possible."""
    response = httpx2.get(server.url + path)
    assert response.status_code == 200
    assert "set-cookie" not in response.headers
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert ("unsafe-inline" in policy) == (path == "/reference")
    assert "unsafe-eval" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert httpx2.head(server.url + path).status_code == 200
    refused = httpx2.post(server.url + path)
    assert (refused.status_code, refused.json()) == (405, {"error": "Method not allowed"})


def test_nothing_of_it_is_loaded_before_it_is_asked_for(server, tmp_path):
    """An application that nobody has asked for its reference holds neither templates nor Markdown nor this package's tables."""
    code = (
        "import sys; from imgen import settings; from imgen.app import create_app; create_app(settings.load(sys.argv[1]));"
        "print([name for name in ('jinja2', 'markdown_it', 'imgen.surfaces.reference.pages', 'imgen.surfaces.action.fields')"
        " if name in sys.modules])"
    )
    subprocess.run([sys.executable, "-m", "imgen.cli", "migrate", "--data", tmp_path], check=True, capture_output=True)
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_llms_txt_has_the_form_and_live_links(server):
    """One title, one quoted summary, then sections of links, each of which leads somewhere that is no HTML but for the reference."""
    text = httpx2.get(f"{server.url}/llms.txt").text
    lines = text.splitlines()
    assert lines[0].startswith("# Imgen")
    assert sum(line.startswith("# ") for line in lines) == 1
    assert lines[2].startswith("> ")
    links = re.findall(r"^- \[[^]]+\]\((\S+)\): \S", text, re.MULTILINE)
    assert len(links) == 3 + len(prose.pages())
    for link in links:
        response = httpx2.get(link)
        assert response.status_code == 200
        assert ("html" in response.headers["content-type"]) == link.endswith("/reference")


def test_llms_full_has_everything(server, document):
    """Every action, field, default, limit, answer's field, error and example, and the rules that no schema can say."""
    text = httpx2.get(f"{server.url}/llms-full.txt").text
    for name, schema in document["components"]["schemas"].items():
        for field, about in schema["properties"].items():
            if field == "action":
                continue
            row = next(
                line
                for line in text.splitlines()
                if re.match(rf"[|-] `{field}\??`", line) and about.get("description", "") in line
            )
            if name.endswith("Request"):
                assert json.dumps(about["default"]) in row if "default" in about else True
                assert all(json.dumps(value) in row for value in about.get("enum", ()))
                assert all(str(about[end]) in row for end in ("minimum", "maximum") if end in about)
    for row in FAILURES:
        assert f"| {row.status} | `{row.text}` | {row.when} | {row.advice} |" in text
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL) if "…" not in block]
    for example in [*sent_examples(document).values(), *told_examples(document).values()]:
        assert example in blocks or "…" in json.dumps(example, ensure_ascii=False)
    assert "every 3 seconds" in text
    assert "120 times" in text
    assert "Prompts\n" in text
    assert server.key not in text


def test_docs_are_pages_with_working_links(server):
    """Every Markdown file is a page; every link, anchor and picture on it leads somewhere; raw HTML is shown as text."""
    known = {
        "action",
        "cache",
        "clients",
        "credentials",
        "models",
        "panel",
        "performance",
        "production",
        "reliability",
        "review",
    }
    assert known <= set(prose.pages())
    anchors, links = {}, set()
    for name in prose.pages():
        html = httpx2.get(f"{server.url}/docs/{name}").text
        found = re.findall(r'\bid="([^"]+)"', html)
        assert len(found) == len(set(found)), name
        anchors[f"/docs/{name}"] = set(found)
        links |= {(f"/docs/{name}", link) for link in re.findall(r'(?:href|src)="([^"]+)"', html)}
        assert re.findall(r"<script(?! src)", html) == []
        assert " style=" not in html
    for page, link in links:
        path, _, anchor = link.partition("#")
        target = path or page
        if target in anchors:
            assert not anchor or anchor in anchors[target], (page, link)
        elif target.startswith("/"):
            assert httpx2.get(server.url + target, follow_redirects=True).status_code == 200, (page, link)
        else:
            assert target.startswith("https://"), (page, link)
    action_page = httpx2.get(f"{server.url}/docs/action").text
    assert '<a href="/docs/clients">' in action_page
    shown = httpx2.get(f"{server.url}/docs/pictures/playground.png")
    assert (shown.headers["Content-Type"], shown.content[:4]) == ("image/png", b"\x89PNG")
    levels = [int(level) for level in re.findall(r"<h(\d)", action_page)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_pages_that_are_not_there(server):
    """404, in the form that was asked for; no path leads out of the folder."""
    for path in (
        "/docs/nope",
        "/docs/nope.md",
        "/docs/..%2f..%2fREADME",
        "/docs/%2e%2e/README",
        "/reference/x",
        "/docs/a/b",
        "/docs/pictures/nope.png",
        "/docs/pictures/..%2fpanel.md",
    ):
        response = httpx2.get(server.url + path)
        assert (response.status_code, response.json()) == (404, {"error": "Not found"}), path
    assert "<h1>Not found</h1>" in httpx2.get(f"{server.url}/docs/nope", headers={"Accept": "text/html"}).text


def test_an_installation_without_docs_has_no_pages(tmp_path):
    """From a wheel there is no folder: the list and every page say so, with 404."""
    with TestClient(application(None, (), tmp_path / "docs")) as client:  # pages need nothing of a core
        for path in ("/docs", "/docs/action"):
            response = client.get(path, headers={"Accept": "text/html"})
            assert response.status_code == 404
            assert "came without the folder <code>docs</code>" in response.text


def test_raw_html_is_shown_as_text(tmp_path):
    """Neither tags nor script addresses of a file reach the page."""
    (tmp_path / "x.md").write_text("# T\n\nOne. <b>bold</b> [l](javascript:alert(1))\n\n<script>alert(1)</script>\n")
    page = prose.pages(tmp_path)["x"]
    assert (page.title, page.summary) == ("T", "One.")
    assert "<script" not in page.html
    assert "<b>" not in page.html
    assert 'href="javascript' not in page.html


def test_the_written_page_names_everything():
    """docs/reference/action.md tells every action, field, field of `meta` and error that the code has."""
    text = (ROOT / "docs" / "reference" / "action.md").read_text()
    for name, action in ACTIONS.items():
        assert f"\n## `{name}`\n" in text
        for field in action.request.__struct_fields__:
            assert f"`{field}`" in text, field
    for field in Meta.__struct_fields__:
        assert f'"{field}"' in text, field
    for row in FAILURES:
        assert f"`{row.text}`" in text, row.text
    for path in ("/openapi.json", "/reference", "/docs", "/llms.txt", "/llms-full.txt"):
        assert f"`{path}`" in text, path
