"""The playground's code, run: what it sends is what was asked for, to the byte."""

import base64
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from surfaces.web.conftest import enter

from imgen.surfaces.web import snippets

PROGRAMS = {
    "curl": ["bash"],
    "python": ["python3"],
    "javascript": ["node", "--input-type=module"],
    "php": ["php"],
}
NASTY = (
    "it's a \"red\" coat, $HOME ${PATH} $(id) `id` \\ \\n \\' %s %d !! -hat, 💃🏽 👩‍👩‍👧 日本\n"
    "second line\tEOF\n?> <?php // */ </script> #{x} {{x}} \x7f\u2028end'''\"\"\""
)
SAID = {"answer": "è 💃"}


@pytest.fixture(scope="module")
def listener():
    """An HTTP server that remembers the last request."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.asked = (self.path, self.headers["Authorization"], self.headers["Content-Type"], json.loads(body))
            answer = json.dumps(SAID).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(language, code, folder, key="imgen_test"):
    """Output of the program."""
    environ = {"PATH": os.environ["PATH"], "IMGEN_KEY": key, "HOME": str(folder)}
    done = subprocess.run(
        PROGRAMS[language], check=False, input=code.encode(), capture_output=True, cwd=folder, env=environ, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout)


def sent(listener, folder, language, fields):
    """The request that the code makes; its answer must be printed."""
    url = f"http://127.0.0.1:{listener.server_port}/api/v2"
    _, write = snippets.LANGUAGES[language]
    assert run(language, write(url, snippets.action_body(fields)), folder) == SAID
    return listener.asked


@pytest.mark.parametrize("language", snippets.LANGUAGES)
def test_the_code_sends_what_was_asked_for(language, listener, tmp_path):
    """Texts, numbers and switches come as they are, with the key from the environment."""
    fields = {"prompt": NASTY, "width": 1344, "optimize": True, "negative": "$x", "seed": 7}
    path, key, content_type, body = sent(listener, tmp_path, language, fields)
    assert (path, key, content_type) == ("/api/v2", "Bearer imgen_test", "application/json")
    assert body == {"action": "generate"} | fields


@pytest.mark.parametrize("language", snippets.LANGUAGES)
@pytest.mark.parametrize("name", ["mark.png", 'it\'s $HOME `id` "mark".png', "-n ä.webp"])
def test_the_code_reads_the_mark_from_its_file(language, name, listener, tmp_path):
    """A file too large for an argument arrives whole, whatever its name."""
    content = os.urandom(300_000)
    (tmp_path / name).write_bytes(content)
    fields = {"prompt": NASTY, "wm_scale": 5, "wm_image": snippets.File(name=name)}
    *_, body = sent(listener, tmp_path, language, fields)
    head, _, encoded = body.pop("wm_image").partition(",")
    assert (head, base64.b64decode(encoded)) == ("data:application/octet-stream;base64", content)
    assert body == {"action": "generate", "prompt": NASTY, "wm_scale": 5}


@pytest.mark.parametrize("language", snippets.LANGUAGES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_prompt_breaks_the_code(language, listener, tmp_path, prompt):
    """Any text at all."""
    *_, body = sent(listener, tmp_path, language, {"prompt": prompt})
    assert body["prompt"] == prompt


def test_a_request_is_never_run_as_shell(listener, tmp_path):
    """An address of an operator's choice is quoted as well."""
    code = snippets.curl("http://x/$(touch pwned)", {"prompt": "'; touch pwned; '"})
    subprocess.run(["bash"], check=False, input=code.encode(), capture_output=True, cwd=tmp_path, timeout=60)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript", "PHP"])
def test_the_playground_shows_the_same_request(web, open_page, tmp_path, language):
    """A snippet of the playground, copied and run with a key, makes a job with the form's prompt, size, format and seed."""
    page = enter(open_page())
    prompt = 'it\'s a "red" coat, $HOME `id` $(id) \\ 💃🏽,\nsecond line, -hat'
    page.get_by_text("More settings").click()
    page.get_by_label("Seed").fill("77")
    page.get_by_label("Format").select_option("png")
    page.get_by_label("896 × 1152").check()
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("radio", name=language, exact=True).check()
    key = language.lower()
    page.locator(f"#code-{key}", has_text="second line").wait_for()
    page.locator(f"#code-{key}", has_text="77").wait_for()
    assert web.key not in page.content()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name=f"Copy {language}").click()
    page.get_by_role("button", name="Copied").wait_for()
    code = page.evaluate("navigator.clipboard.readText()")
    meta = web.wait(run(key, code, tmp_path, key=web.key))["meta"]
    assert meta["prompt"] == web.generate(prompt)["prompt"]
    assert "💃🏽" in meta["prompt"]
    assert (meta["seed"], meta["format"], meta["width"], meta["height"]) == (77, "png", 896, 1152)


def test_the_playground_shows_the_request_to_forge(web, open_page, tmp_path):
    """Chosen beside the language; copied and run with a key it makes a job, and the rest of the form is told below it."""
    page = enter(open_page())
    page.get_by_label("Prompt", exact=True).fill('it\'s a "red" coat, -hat')
    page.get_by_role("radio", name="Forge").check()
    page.locator("#code-forge-curl", has_text="coat").wait_for()
    assert page.locator("#code-curl").is_hidden()
    page.get_by_text("Left out, because Forge cannot say it: ").wait_for()
    made = run("curl", page.locator("#code-forge-curl").inner_text(), tmp_path, key=web.key)
    assert made["original_prompt"] == 'it\'s a "red" coat'
    assert made["state"] == "queued"


def test_studio_shows_the_request_to_its_api(web, open_page, photo):
    """The code of its page, run beside the chosen file with a key, makes a job."""
    page = enter(open_page(), path="/studio")
    page.get_by_label("Choose a picture").set_input_files(photo)
    page.get_by_label("Prompt").fill("it's a $HOME \\ woodcut")
    page.locator("#code-studio-curl", has_text="woodcut").filter(has_text="photo.png").wait_for()
    made = run("curl", page.locator("#code-studio-curl").inner_text(), photo.parent, key=web.key)
    assert made["status"] == "queued"
    assert made["statusUrl"] == f"/api/v1/jobs/{made['jobId']}"
