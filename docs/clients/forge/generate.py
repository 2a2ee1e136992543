#!/usr/bin/env python3
"""Makes a picture over Forge, the REST API of an Imgen server. Standard library only; Python 3.9 or later.

    IMGEN_URL=https://imgen.example IMGEN_KEY=imgf_… python3 generate.py [--tier T] [--ratio R] [--model M] [--seed N] [--sync]
        [--from-job ID] [--out DIR] PROMPT

Progress goes to stderr; the picture is one line of JSON on stdout. Exit codes: 0 saved, 1 error, 2 the job failed,
3 the picture was blocked by review, 4 gave up waiting. Without IMGEN_KEY the caller is anonymous.
"""

from __future__ import annotations

import hashlib
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
POLL_S = float(os.environ.get("IMGEN_POLL_S") or 3)
POLLS = 120
TRIES = 25  # of the request while the server is busy; it forgets a request that its process lost after a minute
LOST_TRIES = 3  # of the request without an answer
BUSY = (409, 429, 503)  # 409: an earlier try is still being answered
LONGEST_WAIT_S = 300  # a longer Retry-After (a spent quota, for example) ends the script
DOWNLOAD_TRIES = 3
TIMEOUT_S = 30
SYNC_TIMEOUT_S = 90  # the server waits 55 s for the picture
FINAL = ("completed", "failed")
BLOCKED = "Content blocked"
FIELDS = {
    "--tier": "quality_tier",
    "--ratio": "aspect_ratio",
    "--model": "model",
    "--seed": "seed",
    "--from-job": "input_job_id",
}
ASSET = re.compile(r"/v2/assets/([0-9a-f]{64})")
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
    """Runs the script: arguments, job, picture, report."""
    body, folder = arguments(sys.argv[1:])
    if not URL:
        stop(1, "set IMGEN_URL, and IMGEN_KEY unless the server takes anonymous callers")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(1, f"cannot use {folder}: {error}")

    job = submit(body)
    if job["state"] not in FINAL:
        job = poll(job["job_id"])
    if job["state"] == "failed":
        reason = str(job.get("error") or "failed")
        stop(3 if reason.startswith(BLOCKED) else 2, reason)
    report = {"job_id": job["job_id"], "file": save(str(job.get("asset_url")), folder)}
    report.update({name: job.get(name) for name in ("asset_url", "seed", "model", "quality_tier")})
    print(json.dumps(report), flush=True)


def submit(body: dict) -> dict:
    """Sends the request → the job; under one key until it is answered: that makes no second job."""
    once, attempt, lost = secrets.token_hex(16), 0, 0
    while True:
        attempt += 1
        try:
            status, retry_after, answer = call("POST", "/v2/generate", body, once)
        except NETWORK_ERRORS as error:
            lost += 1
            if lost == LOST_TRIES or attempt == TRIES:
                stop(1, f"cannot reach {URL}: {error}")
            say(f"no answer ({error}), asking again")
            time.sleep(POLL_S)
            continue
        if status in (201, 202) and answer.get("job_id") and answer.get("state"):
            return answer
        if status not in BUSY or attempt == TRIES:
            stop(1, error_text(status, answer))
        time.sleep(pause_s(status, retry_after, answer))


def poll(job_id: str) -> dict:
    """Polls a job until its state is final: one request at a time, POLL_S seconds apart, POLLS times at most."""
    shown = ""
    wait_s = POLL_S
    for _ in range(POLLS):
        time.sleep(wait_s)
        wait_s = POLL_S
        try:
            status, retry_after, job = call("GET", f"/v2/jobs/{urllib.parse.quote(job_id, safe='')}")
        except NETWORK_ERRORS as error:
            say(f"no answer ({error}), asking again")
            continue
        if status in (429, 503):
            wait_s = pause_s(status, retry_after, job)
        elif status >= 500 or (status == 200 and "state" not in job):
            say(f"{error_text(status, job)}, asking again")
        elif status != 200:
            stop(1, error_text(status, job))
        elif job["state"] in FINAL:
            return job
        elif job["state"] != shown:
            shown = job["state"]
            say(f"{job_id} {shown}")
    stop(4, f"gave up after {POLLS} polls; {job_id} may still end")


def call(method: str, path: str, body: dict | None = None, once: str = "") -> tuple[int, int | None, dict]:
    """Sends one request → (HTTP status, Retry-After in seconds or None, the answer's JSON object or {})."""
    headers = {**credentials(), "Content-Type": "application/json", **({"Idempotency-Key": once} if once else {})}
    data = None if body is None else json.dumps(body).encode()
    timeout_s = SYNC_TIMEOUT_S if body and body.get("sync") else TIMEOUT_S
    try:
        response = web.open(urllib.request.Request(URL + path, data, headers, method=method), timeout=timeout_s)
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


def credentials() -> dict:
    """Returns the header with the key; none if the caller is anonymous."""
    return {"X-API-Key": KEY} if KEY else {}


def pause_s(status: int, retry_after: int | None, answer: dict) -> float:
    """Returns the waiting time of a busy server's answer in seconds; ends the script if it is too long."""
    text = error_text(status, answer)
    if retry_after is not None and retry_after > LONGEST_WAIT_S:
        stop(1, f"{text}, try again in {retry_after} s")
    wait_s = max(retry_after or 0, POLL_S)
    say(f"{text}, waiting {wait_s:g} s")
    return wait_s


def save(asset_url: str, folder: str) -> str:
    """Downloads the picture into the folder, under its digest → its path. Bytes of another digest are not kept."""
    found = ASSET.fullmatch(asset_url)
    if found is None:
        stop(1, f"refused to save {asset_url!r}")
    path = f"{folder.rstrip('/')}/{found[1]}.png"
    attempt = 0
    while True:
        attempt += 1
        try:
            # With the key, because assets may be private.
            with web.open(
                urllib.request.Request(URL + asset_url, headers=credentials()), timeout=TIMEOUT_S
            ) as response:
                data = response.read()
            if hashlib.sha256(data).hexdigest() != found[1]:
                raise OSError("the bytes have another digest")
            Path(path).write_bytes(data)
        except NETWORK_ERRORS as error:
            if attempt == DOWNLOAD_TRIES:
                stop(1, f"cannot save {asset_url}: {error}")
            time.sleep(POLL_S)
        else:
            return path


def arguments(command_line: list[str]) -> tuple[dict, str]:
    """Parses the command line → (body of the request, folder)."""
    words, body, folder = [], {}, "."
    given = iter(command_line)
    for word in given:
        if word == "--sync":
            body["sync"] = True
        elif word == "--out" or word in FIELDS:
            value = next(given, "") or stop(1, f"{word} needs a value")
            if word == "--seed" and not re.fullmatch("0|[1-9][0-9]{0,9}", value):
                stop(1, "--seed needs a whole number")
            if word == "--out":
                folder = value
            else:
                body[FIELDS[word]] = int(value) if word == "--seed" else value
        elif word.startswith("--"):
            stop(1, f"unknown option {word}")
        else:
            words.append(word)
    return {**body, "prompt": " ".join(words)}, folder


def error_text(status: int, answer: dict) -> str:
    """Returns the answer's code and message, or the HTTP status if a proxy answered."""
    error = answer.get("error")
    return f"{error.get('code')}: {error.get('message')}" if isinstance(error, dict) else f"HTTP {status}"


if __name__ == "__main__":
    main()
