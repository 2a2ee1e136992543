"""Kind `comfyui`: events of a call, those of other calls, and messages that are none."""

import asyncio
import json

import pytest
from servers.comfyui_models import draw
from servers.event_loop import until
from servers.faulty_http import answer

from workers.engines.remote.comfyui_events import MAX_EVENT_BYTES, CallEvents, preview_file


@pytest.fixture
def events():
    """Events of the call `ID`, whose nodes 3 and 4 count steps, with a list of all that is told."""
    told = []
    made = CallEvents("ID", {"3", "4"}, lambda done, preview: told.append((done, preview)))
    made.told = told
    return made


def event(name, **data):
    return json.dumps({"type": name, "data": {"prompt_id": "ID"} | data})


def test_progress_is_that_of_all_nodes_that_count_steps(events):
    """In both forms; a preview comes with the progress so far."""
    events.take(event("progress", node="3", value=2, max=4))
    events.take(event("progress_state", nodes={"3": {"value": 4, "max": 4}, "8": {"value": 1, "max": 9}}))
    events.take(b"\0\0\0\1\0\0\0\1JPEG")
    events.take(event("progress", node="4", value=1, max=2))
    assert events.told == [(0.25, b""), (0.5, b""), (0.5, b"JPEG"), (0.75, b"")]
    assert not events.calls_for_look.is_set()
    events.take(event("executing", node=None))
    assert events.calls_for_look.is_set()


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[" * 100_000,
        '{"type": "progress"}',
        '{"type": "progress", "data": []}',
        event("progress", node="3", value=1e308, max=1e-308),
        event("progress", node="3", value="1", max=4),
        event("progress", node="3", value=1, max=-4),
        event("progress", node="3", value=1, max=0),
        event("progress", node=3, value=1, max=4),
        event("progress", node="8", value=1, max=4),
        event("progress", value=1, max=4),
        event("progress_state", nodes=[1]),
        event("progress", prompt_id="another", node="3", value=1, max=4),
        event("executing", prompt_id="another", node=None),
        event("executing", node="3"),
        event("executing"),
        b"",
        b"\0\0\0",
        b"\0\0\0\1",
        b"\0\0\0\2\0\0\0\1JPEG",
        b"\0\0\0\4\xff\xff\xff\xff{}",
    ],
    ids=lambda message: repr(message[:70]),
)
def test_a_message_that_tells_nothing_of_this_call_is_left_out(events, message):
    """Neither progress nor end."""
    events.take(message)
    assert events.told == []
    assert not events.calls_for_look.is_set()


def test_a_preview_may_have_metadata():
    """As newer servers send it: the length of JSON, and the JSON, before the picture."""
    assert preview_file(b"\0\0\0\4\0\0\0\2{}JPEG") == b"JPEG"


def test_the_socket_follows_no_redirect(client, comfy, running):
    """Not even to the same server."""
    comfy.faults["GET /ws"].append(answer(302, b"", {"Location": f"{running[0].url}/elsewhere"}))
    assert client(draw).file
    assert "GET /elsewhere" not in comfy.asked


def test_a_message_over_the_limit_closes_the_socket(client, comfy):
    """The picture is found by looking."""
    comfy.gate.clear()

    async def work(client, request):
        engine_job_id = await client.submit(request)
        waiting = asyncio.create_task(client.wait(engine_job_id, request, lambda *_: None))
        await until(lambda: request.call_id in comfy.sockets)
        await asyncio.to_thread(comfy.sockets[request.call_id].send, "x" * (MAX_EVENT_BYTES + 1))
        await until(lambda: request.call_id not in comfy.sockets, within_s=5)
        comfy.gate.set()
        return await waiting

    assert client(work).file
