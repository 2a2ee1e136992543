"""Signing in the panel: the overview and the page of workers tell which processes cannot sign, as they have told it themselves."""

import html
import re
import time

import pytest
from servers.panel import open_panel

from imgen.live import workers
from imgen.live.workers import SigningTrouble, WorkerHeartbeat
from imgen.surfaces.web.overview import Overview

AWAY = SigningTrouble(reason="The HSM has no token by the name in private_key", at=1_795_219_200.0)
LATER = SigningTrouble(reason=AWAY.reason, at=AWAY.at + 60)
REFUSED = SigningTrouble(reason="KMS refuses: <AccessDeniedException>.", at=AWAY.at)


def heartbeat(pid, trouble):
    now = time.time()
    return workers.publish(
        WorkerHeartbeat(
            name=f"finish@a #{pid}", queues=("finish",), pid=pid, memory_bytes=1, signing_trouble=trouble, since=now,
            at=now,
        )
    )  # fmt: skip


@pytest.fixture
def shown(core):
    """Alerts of the overview, and of each worker whether it is said to be unable to sign, after these heartbeats."""

    def run(*troubles, **user):
        async def work(opened):
            async with open_panel(opened, [Overview], **user) as browser:
                pages = []
                for path in ("/panel", "/panel/workers"):
                    for pid, trouble in enumerate(troubles):
                        await opened.live.run(heartbeat(pid, trouble))
                    pages.append((await browser.get(path)).text)
            overview, page = pages
            alerts = [html.unescape(one) for one in re.findall(r'role="alert">([^<]*)<', overview)]
            rows = [row for row in re.findall(r"<tr>.*?</tr>", page) if "finish@a" in row]
            return [one for one in alerts if "sign" in one], ["cannot sign" in row for row in rows]

        return core(work)

    return run


def test_processes_that_cannot_sign_are_told_by_reason(shown):
    """Each reason once with its processes and the latest try; the page of workers marks each process."""
    alerts, marks = shown(AWAY, REFUSED, None, LATER)
    away, refused = alerts
    assert away == (
        "2 worker processes cannot sign: The HSM has no token by the name in private_key. The latest try was at "
        "2026-11-21 00:01:00 UTC; no picture is finished there until one succeeds."
    )
    assert refused.startswith("1 worker process cannot sign: KMS refuses: <AccessDeniedException>. The latest try was")
    assert marks == [True, True, False, True]


def test_nothing_is_told_where_all_can_sign(shown):
    """A process that has signed nothing yet is no trouble."""
    assert shown(None, None) == ([], [False, False])


def test_members_are_not_told(shown):
    """Keys are the operator's matter."""
    assert shown(AWAY, role="member") == ([], [])
