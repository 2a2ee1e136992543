"""Thread that makes all calls into one PKCS#11 module. It bounds how long a caller waits; a call that hangs it cannot end.

The module is initialized without locks of its own (python-pkcs11 passes no arguments to C_Initialize), so only one thread may
call it. While it works for one caller others wait their turn, without Python's lock: a slow HSM holds up signatures alone.
"""

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from imgen.domain.errors import SigningKeyUnavailable

T = TypeVar("T")

_threads: dict[tuple[int, str], "ModuleThread"] = {}
_lock = threading.Lock()


class ModuleThread:
    """Thread of one module in this process."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="pkcs11", daemon=True).start()

    def run(self, call: Callable[[], T], limit_s: float) -> T:
        """Runs a call after those before it.

        Raises:
            SigningKeyUnavailable: it has not ended after the limit, or a call before it has not.
        """
        done: Future[T] = Future()
        self._calls.put((done, call))
        try:
            return done.result(limit_s)
        except TimeoutError as exc:
            done.cancel()  # where its turn has not come, it is not made
            raise SigningKeyUnavailable(f"The HSM did not answer within {limit_s:g} s") from exc

    def _work(self) -> None:
        while True:
            done, call = self._calls.get()
            if not done.set_running_or_notify_cancel():
                continue
            try:
                done.set_result(call())
            except BaseException as exc:  # noqa: BLE001 - it is raised where the result is awaited
                done.set_exception(exc)


def module_thread(path: str) -> ModuleThread:
    """Returns the thread of a module; a forked process gets one of its own."""
    place = os.getpid(), path
    with _lock:
        if place not in _threads:
            _threads[place] = ModuleThread()
        return _threads[place]
