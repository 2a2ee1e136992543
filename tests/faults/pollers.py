"""Clients of a stack whose parts are killed: they submit until each job has an id, and poll to see that nothing goes backward."""

import threading
import time
from collections.abc import Callable
from typing import Self

import httpx2
from servers.stack import Stack

RANKS = {"IN_QUEUE": 0, "IN_PROGRESS": 1, "COMPLETED": 2, "FAILED": 2, "TIMED_OUT": 2, "CANCELLED": 2}
AWAY = 503
"""Status of a service whose part is away."""
PAUSE_S = 0.03
"""After a poll: the machine's cores are for the stack."""


class Submitter(threading.Thread):
    """Sends requests, each until it is answered with an id; waits while as many of the `ids` as given are not `ended`."""

    def __init__(self, stack: Stack, number: int, on_id: Callable[[str], None], *, open_at_once: int) -> None:
        super().__init__(daemon=True)  # where a test fails it would wait for ends that nobody tells it
        self.stack, self.number, self.on_id, self.open_at_once = stack, number, on_id, open_at_once
        self.ended = 0
        self.ids: list[str] = []
        self.refused = 0

    def run(self) -> None:
        while len(self.ids) < self.number:
            if len(self.ids) - self.ended >= self.open_at_once:
                time.sleep(0.02)
                continue
            if (
                job_id := self._send(f"red coat, street number {len(self.ids)}", use_cache=len(self.ids) % 3 == 2)
            ) != "":
                self.ids.append(job_id)
                self.on_id(job_id)

    def _send(self, prompt: str, *, use_cache: bool) -> str:
        try:
            answer = self.stack.post({"action": "generate", "prompt": prompt, "use_cache": use_cache})
        except httpx2.HTTPError:
            answer = None
        if answer is not None and answer.status_code == 200:
            return answer.json()["id"]
        assert answer is None or answer.status_code == AWAY, answer.text
        self.refused += 1
        time.sleep(0.05)
        return ""


class Pollers:
    """Threads that poll jobs in turn, by `status` and by `jobs`; faults are noted in `faults`."""

    def __init__(self, stack: Stack, *, number: int) -> None:
        self.stack = stack
        self.faults: list[str] = []
        self.polls = 0
        self.unanswered = 0
        self._lock = threading.Lock()
        self._ids: list[str] = []
        self._best: dict[str, tuple[int, float]] = {}
        """Id → the highest rank and progress that an answer had."""
        self._ends: dict[str, object] = {}
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._poll, args=(offset,)) for offset in range(number)]
        self._threads.append(threading.Thread(target=self._list))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def add(self, job_id: str) -> None:
        """Polls this job, too."""
        self._ids.append(job_id)
        self._best[job_id] = (0, 0.0)

    def ended(self) -> int:
        """Number of jobs whose end an answer told."""
        return sum(rank == 2 for rank, _ in list(self._best.values()))

    def _poll(self, offset: int) -> None:
        """Polls the latest jobs one after the other, and one of all after each three of them."""
        turns, among_all, among_latest = 0, 75 * offset, 15 * offset
        while not self._stopping.is_set():
            ids, turns = self._ids, turns + 1
            if not ids:
                time.sleep(0.02)
                continue
            if turns % 4:
                among_latest += 1
                job_id = ids[-60:][among_latest % len(ids[-60:])]
            else:
                among_all += 1
                job_id = ids[among_all % len(ids)]
            before = self._best[job_id]
            answer = self._ask({"action": "status", "id": job_id})
            if answer is not None:
                self._note(job_id, before, answer)

    def _list(self) -> None:
        while not self._stopping.is_set():
            before = dict(self._best)
            answer = self._ask({"action": "jobs", "limit": 100})
            for job in answer["jobs"] if answer is not None else ():
                if job["id"] in before:
                    self._note(job["id"], before[job["id"]], {"status": job["status"]})
            time.sleep(0.1)

    def _ask(self, body: dict) -> dict | None:
        try:
            answer = self.stack.post(body)
        except httpx2.HTTPError:
            answer = None
        self.polls += 1
        time.sleep(PAUSE_S)
        if answer is not None and answer.status_code == 200:
            return answer.json()
        self.unanswered += 1
        if answer is not None and answer.status_code != AWAY:
            self.faults.append(f"{body}: {answer.status_code} {answer.text}")
        return None

    def _note(self, job_id: str, before: tuple[int, float], answer: dict) -> None:
        """Compares an answer with what had been answered before it was asked for."""
        status, progress = answer["status"], answer.get("progress")
        rank = RANKS[status]
        with self._lock:
            if rank < before[0]:
                self.faults.append(f"{job_id}: {status} after rank {before[0]}")
            if progress is not None and progress < before[1]:
                self.faults.append(f"{job_id}: progress {progress} after {before[1]}")
            if rank == 2 and self._ends.setdefault(job_id, status) != status:
                self.faults.append(f"{job_id}: {status} after {self._ends[job_id]}")
            best = self._best[job_id]
            self._best[job_id] = max(best[0], rank), max(best[1], progress or 0.0)
