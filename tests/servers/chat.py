"""An OpenAI-compatible chat endpoint on 127.0.0.1 that answers, or fails, as it is told; it keeps every request. No model in it."""

import contextlib
import json
from collections.abc import Iterator
from typing import NamedTuple

from servers.faulty_http import Behaviour, Exchange, FaultyServer, answer, cut, hang, reset, start_faulty_http

JSON = {"Content-Type": "application/json"}
ADDED = "golden light"
"""Text that the endpoint adds to every prompt while nothing else is asked of it."""


class Asked(NamedTuple):
    """One request, in the protocol's terms."""

    path: str
    authorization: str
    body: dict

    def said(self, role: str) -> str:
        """The only message of that role."""
        (content,) = [message["content"] for message in self.body["messages"] if message["role"] == role]
        return content


class Chat:
    """The endpoint's address, what it was asked, and what it will do."""

    def __init__(self, server: FaultyServer) -> None:
        self._server = server
        self.base_url = f"{server.url}/v1"

    def will(self, *then: Behaviour, always: Behaviour | None = None) -> None:
        """Forgets what it was asked; answers the next requests with `then`, one each, and all others with `always`."""
        with self._server.lock:
            self._server.requests.clear()
            self._server.script[:] = then
            self._server.standing = always or improve

    @property
    def asked(self) -> list[Asked]:
        """Requests since the last `will`."""
        with self._server.lock:
            kept = list(self._server.requests)
        return [Asked(one.path, one.headers.get("Authorization", ""), json.loads(one.body)) for one in kept]


@contextlib.contextmanager
def start_chat() -> Iterator[Chat]:
    """Serves on a free port for the length of the block."""
    with start_faulty_http(improve) as server:
        yield Chat(server)


def completion(content: str | None, **changes) -> Behaviour:
    """A whole chat completion whose message has this content."""
    message = {"role": "assistant", "content": content}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "wordsmith",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return answer(200, json.dumps(body | changes).encode(), JSON)


def better(prompt: str) -> Behaviour:
    """Answer of a model that does as it is told."""
    return completion(json.dumps({"prompt": prompt}))


def improve(exchange: Exchange) -> None:
    """Answers with the prompt that it was given, and something behind it."""
    messages = json.loads(exchange.request_read.body)["messages"]
    better(f"{messages[-1]['content']}, {ADDED}")(exchange)


def refuse_by_name(exchange: Exchange) -> None:
    """401 with the caller's own key and words in the text, as some endpoints do."""
    given = f"{exchange.request_read.headers.get('Authorization')} {exchange.request_read.body.decode()}"
    answer(401, json.dumps({"error": {"message": f"Incorrect API key provided: {given}"}}).encode(), JSON)(exchange)


def drip(exchange: Exchange) -> None:
    """Begins an answer and goes on with a byte now and then, so that no read ever takes long."""
    exchange.send_response_only(200)
    exchange.send_header("Content-Length", "100000")
    exchange.end_headers()
    with contextlib.suppress(ConnectionError):
        while not exchange.server.closing.wait(0.05):
            exchange.wfile.write(b" ")
            exchange.wfile.flush()
    exchange.close_connection = True


HANGS: dict[str, Behaviour] = {"never answers": hang, "drips": drip}

FAULTS: dict[str, Behaviour] = {
    "400": answer(400, b'{"error": {"message": "response_format is not supported"}}', JSON),
    "401": refuse_by_name,
    "404": answer(404, b"404 page not found"),
    "429": answer(429, b'{"error": {"message": "slow down"}}', JSON),
    "429, come back in a minute": answer(429, b"{}", JSON | {"Retry-After": "60"}),
    "500": answer(500, b"<h1>Internal Server Error</h1>"),
    "503": answer(503),
    "302 to elsewhere": answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "reset": reset,
    "cut in the middle": cut,
    "empty body": answer(200, b"", JSON),
    "no JSON": answer(200, b'{"choices": [', JSON),
    "no JSON by its type": answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
    "not UTF-8": answer(200, b'{"choices": "\xff\xfe"}', JSON),
    "nested without end": answer(200, b"[" * 100_000, JSON),
    "JSON of another kind": answer(200, b'["choices"]', JSON),
    "an error with 200": answer(200, b'{"error": {"message": "model is loading", "code": 503}}', JSON),
    "null choices": completion(None, choices=None),
    "no choices": completion(None, choices=[]),
    "choices by name": completion(None, choices={"first": {}}),
    "no message": completion(None, choices=[{"index": 0}]),
    "refusal": completion(None),
    "parts for content": completion(None, choices=[{"message": {"content": [{"type": "text", "text": "x"}]}}]),
    "empty content": completion(""),
    "blank prompt": better("  ,, \n"),
    "negatives and names alone": better("-hat, @bella, -ugly hands"),
    "prose": completion("Sure, here is a better prompt: red coat on a sunny beach. Let me know if you like it!"),
    "quoted prose": completion('"red coat, golden light"'),
    "other JSON": completion('{"text": "red coat, golden light"}'),
    "prompt is no text": completion('{"prompt": ["red coat", "golden light"]}'),
    "broken off": completion('{"prompt": "red coat, golden li'),
    "nested content": completion('{"prompt": "red coat", "why": ' + "[" * 60_000),
    "far too long": completion(json.dumps({"prompt": "red coat, " * 20_000})),
}
"""Faults of an endpoint, each for every request: nothing of it is a prompt."""


def habits(answered: dict) -> dict[str, Behaviour]:
    """Habits of endpoints that answer all the same, each with the object that is asked for."""
    text = json.dumps(answered)
    message = {"role": "assistant", "content": text, "reasoning_content": "hm", "reasoning": "hm"}
    stream = [{"delta": {"role": "assistant"}}, {"delta": {"content": text[:9]}}, {"delta": {"content": text[9:]}}]
    lines = "".join(f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in stream)
    return {
        "fence": completion(f"```json\n{text}\n```"),
        "fence without a language": completion(f"```\n{text}\n```\n"),
        "thought": completion(f"<think>\nMaybe {{}}? Or {text}?\n</think>\n\n{text}"),
        "thought under another name": completion(f"<Thinking>hm</Thinking>{text}"),
        "prose before": completion(f"Sure, here is the JSON:\n{text}"),
        "prose after": completion(f"{text}\nLet me know if you like it {{or not}}!"),
        "the same twice": completion(f"{text}\n\n```json\n{text}\n```"),
        "new lines": completion(f"\n\n{text}\n"),
        "indented": completion(json.dumps(answered, indent=2)),
        "byte order mark": completion(f"\ufeff{text}"),
        "further keys": completion(json.dumps(answered | {"explanation": "x"})),
        "reasoning beside": completion(None, choices=[{"index": 0, "message": message}]),
        "parts": completion(None, choices=[{"message": {"content": [{"type": "text", "text": text}]}}]),
        "no usage": completion(text, usage=None),
        "stream": answer(200, f"{lines}data: [DONE]\n\n".encode(), {"Content-Type": "text/event-stream"}),
    }


def refuse(*refusals: tuple[str, int, dict], then: Behaviour) -> Behaviour:
    """Refuses a body that has one of these parameters, or a response format of that type, with status and error."""

    def behave(exchange: Exchange) -> None:
        body = json.loads(exchange.request_read.body)
        given = {*body, body.get("response_format", {}).get("type")}
        for parameter, status, error in refusals:
            if parameter in given:
                answer(status, json.dumps(error).encode(), JSON)(exchange)
                return
        then(exchange)

    return behave
