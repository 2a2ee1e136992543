"""Keys and jobs of one API process, as another one sees them."""

import contextlib
import threading
import time

import httpx2
from surfaces.processes.calls import DISABLED, error, generate, status


class Caller(threading.Thread):
    """Sends requests to one process without a pause, and notes when each began and what came of it."""

    def __init__(self, api, key):
        super().__init__()
        self.api, self.key = api, key
        self.stopping = threading.Event()
        self.seen: list[tuple[float, int, str]] = []

    def run(self):
        with httpx2.Client(headers={"Authorization": f"Bearer {self.key}"}, timeout=30) as client:
            while not self.stopping.is_set():
                began = time.monotonic()
                response = client.post(f"{self.api.url}/api/v2", json={"action": "random"})
                self.seen.append((began, response.status_code, response.json().get("error", "")))

    def between(self, start, end=float("inf")):
        """Ends of the requests that began then."""
        found = [(status, text) for began, status, text in self.seen if start < began < end]
        assert found
        return set(found)


def await_asked(callers):
    """Until each caller has an answer to a request that began from now on."""
    since, deadline = time.monotonic(), time.monotonic() + 60
    while not all(caller.seen and caller.seen[-1][0] > since for caller in callers):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def calling(pair, key):
    """A caller for each process, for the length of the block."""
    callers = [Caller(api, key) for api in pair]
    for caller in callers:
        caller.start()
    try:
        yield callers
    finally:
        for caller in callers:
            caller.stopping.set()
            caller.join()


def test_a_disabled_key_is_refused_everywhere_at_once(pair):
    """Under load every request that begins after `keys disable` has returned is a 401 in each process, and after `keys enable` a 200."""
    api, _ = pair
    key = api.imgen("keys", "create", "switched", "--tenant", "first")
    moments = []
    with calling(pair, key) as callers:
        for command in ("disable", "enable"):
            await_asked(callers)
            moments.append(time.monotonic())
            api.imgen("keys", command, "switched")
            moments.append(time.monotonic())
        await_asked(callers)
    disabling, disabled, enabling, enabled = moments
    for caller in callers:
        assert caller.between(0, disabling) == {(200, "")}
        assert caller.between(disabled, enabling) == {DISABLED}
        assert caller.between(enabled) == {(200, "")}
    print(f"{sum(len(caller.seen) for caller in callers)} requests")
    assert all(generate(process).status_code == 200 for process in pair)  # the other key was never in doubt


def test_a_deleted_key_is_unknown_everywhere_at_once(pair):
    """`keys delete` works in each process with the next request."""
    key = pair[0].imgen("keys", "create", "deleted", "--tenant", "first")
    assert [api.post({"action": "models"}, key).status_code for api in pair] == [200, 200]
    pair[0].imgen("keys", "delete", "deleted")
    assert [error(api.post({"action": "models"}, key)) for api in pair] == [(401, "Invalid API key")] * 2


def test_a_job_of_one_process_is_known_to_the_other(pair):
    """Both answer for one truth: a job made here is polled, listed and cancelled there."""
    here, there = pair
    job = generate(here).json()["id"]
    assert status(there, job).json()["status"] == "IN_QUEUE"
    assert there.post({"action": "cancel", "id": job}).json() == {"status": "CANCELLED"}
    assert status(here, job).json() == {"status": "CANCELLED", "error": "Cancelled", "code": "cancelled"}
