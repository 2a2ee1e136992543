#!/usr/bin/env python3
"""Requests a picture from an Imgen server, or several (`--option n=4`). Standard library only; Python 3.9 or later.

    IMGEN_URL=https://imgen.example IMGEN_KEY=imgen_… python3 generate.py [--option name=value]… [--out DIR] PROMPT

Progress goes to stderr; each picture is one line of JSON on stdout. Exit codes: 0 saved, 1 error, 2 the job failed,
timed out or was cancelled, 3 the picture was blocked by review, 4 gave up waiting. It does not resume a job.
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
POLL_S = float(os.environ.get("IMGEN_POLL_S") or 3)
POLLS = 120
TRIES = 25  # of `generate` while the server is busy; it forgets a request that its process lost after a minute
LOST_TRIES = 3  # of `generate` without an answer
BUSY = (409, 429, 503)  # 409: an earlier try is still being answered
LONGEST_WAIT_S = 300  # a longer Retry-After (a spent quota, for example) ends the script
DOWNLOAD_TRIES = 3
TIMEOUT_S = 30
LISTEN_S = 360  # time to wait by events, before polls
SILENCE_S = 45  # a living server sends a comment every 15 s
FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")
DETAILS = ("position", "progress", "eta")
NETWORK_ERRORS = (OSError, http.client.HTTPException)  # URLError, HTTPError and timeouts are OSErrors
TYPED = re.compile(r'-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|".*"', re.DOTALL)
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


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
    """Runs the script: arguments, job, pictures, report."""
    prompt, options, folder = arguments(sys.argv[1:])
    if not URL or not KEY:
        stop(1, "set IMGEN_URL and IMGEN_KEY")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(1, f"cannot use {folder}: {error}")

    job = start({**options, "action": "generate", "prompt": prompt})
    if job.get("warnings"):
        say("the server corrected: " + ", ".join(job["warnings"]))
    for job_id in job.get("ids") or [job["id"]]:
        finish({**job, "id": job_id}, folder)


def finish(job: dict, folder: str) -> None:
    """Waits for one picture, saves it and reports it on stdout; ends the script if there is none."""
    result = listen(job) or poll(job)
    if result["status"] != "COMPLETED":
        stop(2, result.get("error") or result["status"])
    if result.get("compliance") not in (None, "safe"):  # before meta: a blocked picture has none
        stop(3, result.get("error") or "Content blocked")

    meta = result.get("meta") or {}
    pictures = {image["type"]: image for image in meta.get("images", [])}
    if not {"signed", "thumbnail"} <= pictures.keys():
        stop(1, "the answer names no pictures")
    report = {"id": job["id"], "gen_id": meta.get("gen_id")}
    report["files"] = [save(pictures[kind], folder) for kind in ("signed", "thumbnail")]
    report.update({name: meta.get(name) for name in ("seed", "fingerprint", "watermark_id")})
    print(json.dumps(report), flush=True)


def start(body: dict) -> dict:
    """Sends `generate`; again under the same key if its answer is lost or the server is busy: that makes no second job."""
    once, attempt, lost = secrets.token_hex(16), 0, 0
    while True:
        attempt += 1
        try:
            status, retry_after, answer = post(body, once)
        except NETWORK_ERRORS as error:
            lost += 1
            if lost == LOST_TRIES or attempt == TRIES:
                stop(1, f"cannot reach {URL}: {error}")
            say(f"no answer ({error}), asking again")
            time.sleep(POLL_S)
            continue
        if status == 200 and answer.get("id"):
            return answer
        if status not in BUSY or attempt == TRIES:
            stop(1, error_text(status, answer))
        time.sleep(pause_s(status, retry_after, answer))


def listen(job: dict) -> dict | None:
    """Waits by events → the final answer; None if the server has none or the stream breaks: then poll."""
    request = urllib.request.Request(
        f"{URL}/api/v2/events?id={urllib.parse.quote(job['id'])}",
        headers={"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream"},
    )
    until, shown = time.monotonic() + LISTEN_S, ""
    try:
        with web.open(request, timeout=SILENCE_S) as response:
            if response.status != 200 or not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                return None
            for line in response:
                answer = json.loads(line[len(b"data: ") :]) if line.startswith(b"data: ") else {}
                if answer.get("id") == job["id"] and answer["status"] in FINAL:
                    return answer
                if answer.get("id") == job["id"]:
                    shown = show(job, answer, shown)
                if time.monotonic() > until:
                    return None
    except (*NETWORK_ERRORS, ValueError, KeyError, AttributeError):
        pass  # an old server, a proxy that collects answers, a broken connection
    return None


def poll(job: dict) -> dict:
    """Polls `status` until it is final: one request at a time, POLL_S seconds apart, POLLS times at most."""
    question = {"action": "status", "id": job["id"], "prompt": job.get("prompt"), "model": job.get("model")}
    shown = ""
    wait_s = 0.0  # no pause before the first poll: a cache hit may be done already
    for _ in range(POLLS):
        time.sleep(wait_s)
        wait_s = POLL_S
        try:
            status, retry_after, answer = post(question)
        except NETWORK_ERRORS as error:
            say(f"no answer ({error}), asking again")
            continue
        if status == 429:
            wait_s = pause_s(status, retry_after, answer)
        elif status >= 500 or (status == 200 and "status" not in answer):
            say(f"{error_text(status, answer)}, asking again")
        elif status != 200:
            stop(1, error_text(status, answer))
        elif answer["status"] in FINAL:
            return answer
        else:
            shown = show(job, answer, shown)
    stop(4, f"gave up after {POLLS} polls; {job['id']} may still end")


def show(job: dict, answer: dict, shown: str) -> str:
    """Reports an open job's answer, unless it says the same as the line before. Returns the line."""
    details = [f"{name} {answer[name]}" for name in DETAILS if answer.get(name) is not None]
    line = " ".join([job["id"], answer["status"], *details])
    if line != shown:
        say(line)
    return line


def post(body: dict, once: str = "") -> tuple[int, int | None, dict]:
    """Sends one request to the Action API → (HTTP status, Retry-After in seconds or None, the answer's JSON object or {})."""
    request = urllib.request.Request(
        URL + "/api/v2",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            **({"Idempotency-Key": once} if once else {}),
        },
    )
    try:
        response = web.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as refusal:  # has a status and a body like any other answer
        response = refusal
    with response:
        data = response.read()
    try:
        answer = json.loads(data)
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


def save(image: dict, folder: str) -> str:
    """Downloads one picture into the folder → its path. Uses only the last part of the server's file name."""
    name = re.split(r"[/\\]", str(image.get("filename")))[-1]
    url = str(image.get("url"))
    if not SAFE_NAME.fullmatch(name) or not url.startswith(("http://", "https://")):
        stop(1, f"refused to save {name!r} from {url}")
    path = f"{folder.rstrip('/')}/{name}"
    attempt = 0
    while True:
        attempt += 1
        try:
            # No Authorization header: the URL is pre-signed, and S3 refuses a request with two signatures.
            with web.open(url, timeout=TIMEOUT_S) as response:
                Path(path).write_bytes(response.read())
        except NETWORK_ERRORS as error:
            if attempt == DOWNLOAD_TRIES:
                stop(1, f"cannot save {name}: {error}")
            time.sleep(POLL_S)
        else:
            return path


def arguments(command_line: list[str]) -> tuple[str, dict, str]:
    """Parses the command line → (prompt, options, folder)."""
    words, options, folder = [], {}, "."
    given = iter(command_line)
    for word in given:
        if word == "--option":
            name, equals, value = next(given, "").partition("=")
            if not name or not equals:
                stop(1, "--option needs name=value")
            options[name] = typed(value)
        elif word == "--out":
            folder = next(given, "") or stop(1, "--out needs a folder")
        elif word.startswith("--"):
            stop(1, f"unknown option {word}")
        else:
            words.append(word)  # one "-" begins a negative term, not an option
    return " ".join(words), options, folder


def typed(value: str) -> object:
    """Parses an option: JSON numbers, true, false and quoted strings keep their type; any other value is a string."""
    try:
        return json.loads(value) if TYPED.fullmatch(value) else value
    except ValueError:
        return value


def error_text(status: int, answer: dict) -> str:
    """Returns the answer's error text, or the HTTP status if a proxy answered."""
    return str(answer.get("error") or f"HTTP {status}")


if __name__ == "__main__":
    main()
