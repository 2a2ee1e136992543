"""Refusals of the protocol itself: made by the function that it is given, of the request's path."""

from functools import partial
from urllib.parse import urlsplit

import pytest
from servers.asgi import start_asgi
from servers.wire import Wire

from imgen.asgi.answer_headers import current_request_id
from imgen.asgi.endpoint import json_answer
from imgen.asgi.protocol import MAX_HEAD_BYTES, TimeoutProtocol


def refusal(path, status, text):
    return json_answer([path, text], status, {"x-form": "own", "x-told-id": current_request_id()})


@pytest.fixture(scope="module")
def port():
    """A server that waits a moment for a request, and has no application that could answer one."""
    protocol = partial(TimeoutProtocol, read_timeout_s=0.2, refusal=refusal)
    with start_asgi(lambda _url: None, http=protocol) as url:
        yield urlsplit(url).port


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (
            b"GET /v1/x?y=1 HTTP/1.1\r\nHost: x\r\n\tno: name\x00\r\n\r\n",
            400,
            '["/v1/x","Invalid HTTP request received"]',
        ),
        (b"nonsense\r\n\r\n", 400, '["","Invalid HTTP request received"]'),
        (b"GET /v1/x HTTP/1.1\r\nHost: ", 408, '["/v1/x","Request timed out"]'),
        (b"GET /v1 HTTP/1.1\r\nA: " + b"a" * MAX_HEAD_BYTES, 431, '["/v1","Request header fields too large"]'),
    ],
)
def test_a_refusal_has_the_form_that_its_path_asks_for(port, sent, status, body):
    """Status, further headers and body are the given function's, which knows the request's id; the connection ends."""
    wire = Wire(port)
    wire.send(sent)
    answer = wire.receive()
    assert (answer.status, answer.body.decode()) == (status, body)
    assert (
        answer.headers | {"content-type": "application/json", "x-form": "own", "connection": "close"} == answer.headers
    )
    assert answer.headers["x-told-id"] == answer.headers["x-request-id"]
    assert wire.is_closed()
    wire.close()
