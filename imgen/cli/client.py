"""Client of the Action API for the command line: generate, poll with a progress bar, download."""

import secrets
import time
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from imgen.domain.errors import ImgenError
from imgen.domain.idempotency import HEADER

POLL_S = 0.5
"""Seconds between polls of a local server; reference clients wait 3 s."""
PAUSES_S = (0.5, 1.0, 2.0, 4.0)
"""Pauses before a request that had no proper answer is sent again."""
AGAIN = frozenset({httpx2.codes.CONFLICT, httpx2.codes.SERVICE_UNAVAILABLE})
"""Statuses after which the same request may succeed soon."""
FINAL = frozenset({"COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED"})


class ServerError(ImgenError):
    """The server refused."""


class _NoServer(ServerError):
    """Nobody listens at the address."""


class _NoAnswer(ServerError):
    """A request may have arrived, but its answer has not; or the server asks to send it again."""


class Client:
    """Connection to one server with one key. What is lost on the way is sent again, under one idempotency key."""

    def __init__(self, url: str, key: str) -> None:
        self.warning = ""
        """Warning of the server's latest answer, such as that no worker serves the job's queue; empty: none."""
        self._http = httpx2.Client(base_url=url.rstrip("/"), headers={"Authorization": f"Bearer {key}"}, timeout=30)

    def call(self, action: str, **fields: object) -> dict[str, Any]:
        """Calls one action.

        Raises:
            ServerError: the server did not answer, or answered with an error; the message is its own.
        """
        return self._post("/api/v2", json={"action": action, **fields})

    def upload(self, body: bytes) -> str:
        """Uploads a picture; returns its id, which is good for a day.

        Raises:
            ServerError: as for `call`.
        """
        return str(self._post("/api/v2/upload", content=body)["image"])

    def _post(self, path: str, **content: Any) -> dict[str, Any]:
        once = {HEADER: secrets.token_hex(16)}
        try:
            return self._try(path, once, **content)
        except _NoAnswer as exc:
            failed: ServerError = exc
        for pause_s in PAUSES_S:
            time.sleep(pause_s)
            try:
                return self._try(path, once, **content)
            except (_NoAnswer, _NoServer) as exc:  # it may be starting again
                failed = exc
        raise failed

    def _try(self, path: str, headers: dict[str, str], **content: Any) -> dict[str, Any]:
        try:
            response = self._http.post(path, headers=headers, **content)
            answer: dict[str, Any] = response.json()
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as exc:
            raise _NoServer(
                f"No server answers at {self._http.base_url} ({exc}). Start one with `imgen up`, or set IMGEN_URL to another"
            ) from exc
        except httpx2.HTTPError as exc:
            raise _NoAnswer(f"{self._http.base_url}: {exc or type(exc).__name__}") from exc
        except ValueError as exc:
            raise ServerError(f"{self._http.base_url} is no Imgen server: its answer is not JSON") from exc
        self.warning = response.headers.get("x-imgen-warnings", "")
        if response.status_code != httpx2.codes.OK:
            kind = _NoAnswer if response.status_code in AGAIN else ServerError
            raise kind(f"{answer.get('error', response.text)} (HTTP {response.status_code})")
        return answer

    def wait(self, job: dict[str, Any], console: Console) -> dict[str, Any]:
        """Polls a job to its end, with a progress bar on the console."""
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("queued", total=1.0)
            told = ""
            while True:
                if self.warning not in ("", told):
                    told = self.warning
                    progress.console.print(f"The picture waits: {told}", style="yellow")
                answer = self.call("status", id=job["id"], prompt=job["prompt"], model=job["model"])
                description = "queued" if answer["status"] == "IN_QUEUE" else answer["status"].lower().replace("_", " ")
                is_final = answer["status"] in FINAL
                progress.update(
                    bar, completed=1.0 if is_final else answer.get("progress", 0.0), description=description
                )
                if is_final:
                    return answer
                time.sleep(POLL_S)

    def download(self, answer: dict[str, Any], folder: Path) -> list[Path]:
        """Saves all pictures of a completed job; their URLs are signed, so the key is not sent along."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for image in answer["meta"]["images"]:
            path = folder / Path(image["filename"]).name
            response = httpx2.get(image["url"], timeout=60)
            if response.status_code != httpx2.codes.OK:
                raise ServerError(f"{path.name}: HTTP {response.status_code}")
            path.write_bytes(response.content)
            paths.append(path)
        return paths

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()
