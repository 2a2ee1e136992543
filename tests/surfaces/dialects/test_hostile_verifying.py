"""A thousand hostile pictures to `verify`: each is answered, nothing is fetched or kept, and the process grows no further."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from factories import make_manifest
from hostile_credentials import make_hostile, make_large
from hostile_pictures import make_refused, make_unusual
from servers.api import Api
from servers.canary import Canary, start_canary
from signing_chains import make_chain
from surfaces.dialects.sending import Request, as_json, data_uri

from imgen.provenance.signer import open_signer

GROWTH_BYTES = 400 << 20
"""Bytes that the searches of pictures of 32 megapixels leave with the allocators at most."""
VERDICTS = {"unknown"}


@pytest.fixture
def canary() -> Iterator[Canary]:
    with start_canary() as heard:
        yield heard


@pytest.fixture
def hostile(bombs: tuple[dict, dict], canary: Canary, tmp_path: Path) -> dict[str, bytes]:
    """Name → picture; over a thousand."""
    signers = []
    for name in ("own", "stranger"):
        folder = tmp_path / name
        make_chain(folder, 30)
        chain, key, anchor = [(folder / f"{part}.pem").read_bytes() for part in ("chain", "key", "anchor")]
        signers.append(open_signer(chain, key, anchors=anchor))
    host = f"127.0.0.1:{canary.port}"
    return {
        **make_refused(bombs),
        **{name: body for name, (body, *_) in make_unusual(bombs).items()},
        **make_hostile(*signers, host, make_manifest()),
        **make_large(),
    }


def healthy(api: Api, stop: threading.Event) -> list[int]:
    """Asks for the process's health until it is stopped; returns the statuses."""
    told = []
    with httpx2.Client(base_url=api.url, verify=False, timeout=60) as client:
        while not stop.wait(0.5):
            told.append(client.get("/healthz").status_code)
    return told


@pytest.mark.timeout(900)
def test_a_thousand_hostile_pictures_are_answered(
    api: Api, send: Callable[[Request], httpx2.Response], kept: Callable, hostile: dict[str, bytes], canary: Canary
) -> None:
    """400 or 413 with the field's name, or a verdict that claims nothing; others are served meanwhile."""
    assert len(hostile) >= 1_000
    stop, told = threading.Event(), list[int]()
    asking = threading.Thread(target=lambda: told.extend(healthy(api, stop)))
    process = psutil.Process(api.process.pid)
    before, rss = kept(), 0
    asking.start()
    try:
        for number, (name, body) in enumerate(hostile.items()):
            answer = send(as_json("/api/v2", action="verify", image=data_uri(body)))
            if answer.status_code == 200:
                assert answer.json()["verdict"] in VERDICTS, name
            else:
                assert (answer.status_code, answer.json()["error"]) in {
                    (400, "Invalid image"),
                    (413, "Request too large"),
                }, name
            if number == len(hostile) // 10:
                rss = process.memory_info().rss
    finally:
        stop.set()
        asking.join()
    grown = process.memory_info().rss - rss
    assert grown < GROWTH_BYTES
    assert set(told) == {200}
    assert (canary.heard, kept()) == ([], before)
