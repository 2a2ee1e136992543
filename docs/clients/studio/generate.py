#!/usr/bin/env python3
"""Makes pictures of a picture over Studio, the REST API of an Imgen server. Standard library only; Python 3.9 or later.

    IMGEN_URL=https://imgen.example IMGEN_KEY=imgen_… python3 generate.py --image FILE | --from-job ID [--mode M] [--preset P]
        [--size S] [--aspect A] [--strength X] [--count N] [--seed N] [--out DIR] [PROMPT]

Progress goes to stderr; each picture is one line of JSON on stdout. Exit codes: 0 all are saved, 1 error, 2 a job failed,
3 a picture was blocked by review, 4 gave up waiting.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NoReturn

URL = os.environ.get("IMGEN_URL", "").rstrip("/")
KEY = os.environ.get("IMGEN_KEY", "")
POLL_S = float(os.environ.get("IMGEN_POLL_S") or 5)
POLLS = 120  # of each job
TRIES = 25  # of a request while the server is busy; it forgets a request that its process lost after a minute
LOST_TRIES = 3  # of a request without an answer
BUSY = (409, 429, 503)  # 409: an earlier try is still being answered
LONGEST_WAIT_S = 300  # a longer Retry-After (a spent quota, for example) ends the script
DOWNLOAD_TRIES = 3
TIMEOUT_S = 60
FINAL = ("succeeded", "failed", "canceled")
BLOCKED = "moderation_blocked"
FIELDS = {
    "--mode": ("mode", str),
    "--from-job": ("sourceGenerationId", str),
    "--preset": ("preset", str),
    "--size": ("exportSize", str),
    "--aspect": ("outputAspect", str),
    "--strength": ("strength", float),
    "--count": ("count", int),
    "--seed": ("seed", int),
}
ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/avif": "avif"}
NETWORK_ERRORS = (OSError, http.client.HTTPException)  # URLError, HTTPError and timeouts are OSErrors


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Redirect handler that follows none: the default one would send the key to the redirect's target."""

    def redirect_request(self, *_args: object) -> None:
        """Keeps the 3xx as the answer."""


web = urllib.request.build_opener(NoRedirects)


def say(text: str) -> None:
    """Writes to stderr: stdout is for the result alone."""
    print(f"imgen: {text}", file=sys.stderr, flush=True)


def stop(code: int, text: str) -> NoReturn:
    """Prints the reason and ends the script."""
    say(text)
    sys.exit(code)


def main() -> None:
    """Runs the script: arguments, source, jobs, pictures, reports."""
    body, image, folder = arguments(sys.argv[1:])
    if not URL or not KEY:
        stop(1, "set IMGEN_URL and IMGEN_KEY")
    try:
        source = Path(image).read_bytes() if image else b""
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(1, f"cannot use {image or folder}: {error}")

    if image:
        body["imageKey"] = post("/api/v1/images", source, "application/octet-stream", "imageKey")["imageKey"]
    made = post("/api/v1/generate", json.dumps(body).encode(), "application/json", "jobId")
    for warning in made.get("warnings", []):
        say(f"warning: {warning}")
    codes = [finish(one["jobId"], folder) for one in made.get("jobs") or [made]]
    sys.exit(next(filter(None, codes), 0))


def finish(job_id: str, folder: str) -> int:
    """Waits for a job, saves its picture and reports it → the exit code."""
    job = poll(job_id)
    if job is None:
        say(f"gave up after {POLLS} polls; {job_id} may still end")
        return 4
    if job["status"] != "succeeded":
        error = job.get("error") or {}
        say(f"{job_id} {error.get('message') or job['status']}")
        return 3 if error.get("code") == BLOCKED else 2
    file = save(job, folder)
    report = {name: job.get(name) for name in ("jobId", "width", "height", "contentType")}
    print(json.dumps({**report, "file": file}), flush=True)
    return 0


def post(path: str, data: bytes, kind: str, wanted: str) -> dict:
    """Sends a request → its answer, with that field; under one key until it is answered: that makes nothing twice."""
    headers = {"Content-Type": kind, "Idempotency-Key": secrets.token_hex(16)}
    attempt = lost = 0
    while True:
        attempt += 1
        try:
            status, retry_after, answer = call("POST", path, data, headers)
        except NETWORK_ERRORS as error:
            lost += 1
            if lost == LOST_TRIES or attempt == TRIES:
                stop(1, f"cannot reach {URL}: {error}")
            say(f"no answer ({error}), asking again")
            time.sleep(POLL_S)
            continue
        if status in (200, 202) and answer.get(wanted):
            return answer
        if status not in BUSY or attempt == TRIES:
            stop(1, error_text(status, answer))
        time.sleep(pause_s(status, retry_after, answer))


def poll(job_id: str) -> dict | None:
    """Polls a job until its status is final: one request at a time, POLL_S seconds apart, POLLS times at most."""
    shown = ""
    wait_s = POLL_S
    for _ in range(POLLS):
        time.sleep(wait_s)
        wait_s = POLL_S
        try:
            status, retry_after, job = call("GET", f"/api/v1/jobs/{urllib.parse.quote(job_id, safe='')}")
        except NETWORK_ERRORS as error:
            say(f"no answer ({error}), asking again")
            continue
        if status in (429, 503):
            wait_s = pause_s(status, retry_after, job)
        elif status >= 500 or (status == 200 and "status" not in job):
            say(f"{error_text(status, job)}, asking again")
        elif status != 200:
            stop(1, error_text(status, job))
        elif job["status"] in FINAL:
            return job
        elif job["status"] != shown:
            shown = job["status"]
            say(f"{job_id} {shown}")
    return None


def call(
    method: str, path: str, data: bytes | None = None, headers: dict | None = None
) -> tuple[int, int | None, dict]:
    """Sends one request → (HTTP status, Retry-After in seconds or None, the answer's JSON object or {})."""
    request = urllib.request.Request(
        URL + path, data, {"Authorization": f"Bearer {KEY}", **(headers or {})}, method=method
    )
    try:
        response = web.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as refusal:  # has a status and a body like any other answer
        response = refusal
    with response:
        text = response.read()
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    seconds = response.headers.get("Retry-After", "")
    retry_after = int(seconds) if seconds.isdecimal() else None
    return response.status, retry_after, answer if isinstance(answer, dict) else {}


def pause_s(status: int, retry_after: int | None, answer: dict) -> float:
    """Returns the waiting time of a busy server's answer in seconds; ends the script if it is too long."""
    text = error_text(status, answer)
    if retry_after is not None and retry_after > LONGEST_WAIT_S:
        stop(1, f"{text}, try again in {retry_after} s")
    wait_s = max(retry_after or 0, POLL_S)
    say(f"{text}, waiting {wait_s:g} s")
    return wait_s


def save(job: dict, folder: str) -> str:
    """Downloads the picture into the folder, under its job's id → its path."""
    job_id, url, ending = job["jobId"], str(job.get("downloadUrl")), ENDINGS.get(str(job.get("contentType")))
    if not re.fullmatch("[0-9A-Za-z_-]+", job_id) or not re.match("https?://", url) or not ending:
        stop(1, f"refused to save {job_id!r} of {url!r}")
    path = f"{folder.rstrip('/')}/{job_id}.{ending}"
    attempt = 0
    while True:
        attempt += 1
        try:
            with web.open(
                url, timeout=TIMEOUT_S
            ) as response:  # signed: without the key, which other hosts must not see
                data = response.read()
            Path(path).write_bytes(data)
        except NETWORK_ERRORS as error:
            if attempt == DOWNLOAD_TRIES:
                stop(1, f"cannot save {job_id}: {error}")
            time.sleep(POLL_S)
        else:
            return path


def arguments(command_line: list[str]) -> tuple[dict, str, str]:
    """Parses the command line → (body of the request, file of the source or "", folder)."""
    words, body, image, folder = [], {"mode": "style"}, "", "."
    given = iter(command_line)
    for word in given:
        if word in ("--image", "--out") or word in FIELDS:
            value = next(given, "") or stop(1, f"{word} needs a value")
            if word == "--image":
                image = value
            elif word == "--out":
                folder = value
            else:
                name, kind = FIELDS[word]
                if kind is not str and not re.fullmatch(
                    r"(0|[1-9][0-9]{0,9})" + r"(\.[0-9]+)?" * (kind is float), value
                ):
                    stop(1, f"{word} needs a number")
                body[name] = kind(value)
        elif word.startswith("--"):
            stop(1, f"unknown option {word}")
        else:
            words.append(word)
    if bool(image) == ("sourceGenerationId" in body):
        stop(1, "one of --image and --from-job is needed")
    return {**body, **({"prompt": " ".join(words)} if words else {})}, image, folder


def error_text(status: int, answer: dict) -> str:
    """Returns the answer's code and message, or the HTTP status if a proxy answered."""
    error = answer.get("error")
    return f"{error.get('code')}: {error.get('message')}" if isinstance(error, dict) else f"HTTP {status}"


if __name__ == "__main__":
    main()
