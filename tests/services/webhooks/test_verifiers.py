"""Verifiers of other languages: npm's standardwebhooks, and the PHP and shell of docs/webhooks.md."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from servers.node import run_node

from imgen.domain.webhook import Secrets, new_secret
from imgen.services.webhooks.body import make_body
from imgen.services.webhooks.signing import signed_headers

DOCS = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text("utf-8")
BODY = make_body("job.failed", 1_764_000_000.25, {"id": "run_1", "error": "Zeitüberschreitung 🙂 \"'$(x)"})


def block(language):
    """The code of that language in the page."""
    return re.search(rf"```{language}\n(.*?)```", DOCS.partition("## Verify")[2], re.DOTALL)[1]


def signed(*, is_rotating, now=None):
    """A secret that the receiver has, and the headers of a try."""
    old, new = new_secret(), new_secret()
    at = time.time() if now is None else now
    secrets = Secrets(current=new, previous=old, previous_until=at + 60) if is_rotating else Secrets(current=old)
    return old.get_secret_value(), signed_headers(secrets, "msg_a-b_c", BODY, now=at)


def npm(secret, headers, body=BODY):
    """Result of the library."""
    return run_node("verify.mjs", json.dumps({"secret": secret, "body": body.decode(), "headers": headers}))


def php(secret, headers, body=BODY):
    """Result of the page's function."""
    if shutil.which("php") is None:
        pytest.skip("no php: `make test` installs it where it may")
    given = json.dumps([secret, body.decode(), headers])
    call = """
        [$s, $b, $h] = json_decode(stream_get_contents(STDIN), true);
        try { echo json_encode(verify($s, $b, $h)); } catch (RuntimeException $e) { echo $e->getMessage(); exit(1); }
    """
    done = subprocess.run(
        ["php", "-r", block("php") + call], input=given, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout if done.returncode == 0 else f"refused: {done.stdout}"


def shell(secret, headers, body=BODY):
    """Result of the page's lines."""
    names = {"id": headers["webhook-id"], "timestamp": headers["webhook-timestamp"]}
    given = {"secret": secret, "body": body.decode(), "signatures": headers["webhook-signature"], **names}
    done = subprocess.run(
        ["sh", "-c", block("sh")], env={"PATH": "/usr/bin:/bin", **given}, capture_output=True, text=True, check=False
    )
    return body.decode() if (done.returncode, done.stdout) == (0, "verified\n") else f"refused: {done.stdout}"


@pytest.mark.parametrize("verifier", [npm, php, shell])
def test_other_languages_verify_what_is_sent(verifier):
    """With one secret and while it is replaced; another secret and another body are refused."""
    for is_rotating in (False, True):
        secret, headers = signed(is_rotating=is_rotating)
        assert json.loads(verifier(secret, headers)) == json.loads(BODY)
        for wrong in (
            verifier(new_secret().get_secret_value(), headers),
            verifier(secret, headers, BODY.replace(b"run_1", b"run_2")),
            verifier(secret, {**headers, "webhook-id": "msg_other"}),
        ):
            assert "{" not in wrong


@pytest.mark.parametrize("verifier", [npm, php])
def test_an_old_message_is_refused(verifier):
    """A recorded one cannot be played again after five minutes."""
    secret, headers = signed(is_rotating=False, now=time.time() - 400)
    assert "old" in verifier(secret, headers)
