"""Chat completions of endpoints with habits: refused parameters, and text around the object that is asked for."""

import asyncio
import json

import pytest
from msgspec import Struct
from servers.chat import JSON, completion, habits, refuse, start_chat
from servers.faulty_http import answer
from structlog.testing import capture_logs

from imgen.domain.errors import UpstreamUnavailable
from imgen.settings.sections import Upstream
from imgen.upstream.chat import REFUSED, ChatDialect, ChatRequest, ask_chat, ask_chat_blocking
from imgen.upstream.chat_answer import answered_object
from imgen.upstream.openai_client import MALFORMED, BlockingOpenAIClient, Limits, OpenAIClient

KEY = "sk-0123456789abcdefCANARY"
SAID = {"prompt": "red coat, golden light"}
PRIVATE = 'a "quilted" zeppelin\nin the rain'
SCHEMA = {"type": "object", "properties": {"prompt": {"type": "string"}}}
REQUEST = ChatRequest(
    model="m",
    messages=[{"role": "system", "content": "Improve."}, {"role": "user", "content": PRIVATE}],
    schema_name="better",
    schema=SCHEMA,
    max_tokens=64,
    temperature=0,
)
LIMITS = Limits(total_s=5, max_bytes=100_000, harmless=REFUSED)


class Answer(Struct):
    """The object that is asked for."""

    prompt: str


@pytest.fixture(scope="module")
def running():
    with start_chat() as chat:
        yield chat


@pytest.fixture(params=["event loop", "thread"])
def ask(running, request):
    """Asks so many times with one client; returns the decoded answers."""
    upstream = Upstream(base_url=running.base_url, api_key=KEY, model="m", timeout_s=5, pause_s=60)

    async def on_loop(times):
        client, dialect = OpenAIClient(upstream, LIMITS), ChatDialect()
        try:
            return [answered_object(await ask_chat(client, dialect, REQUEST), Answer) for _ in range(times)]
        finally:
            await client.close()

    def on_thread(times):
        client, dialect = BlockingOpenAIClient(upstream, LIMITS), ChatDialect()
        try:
            return [answered_object(ask_chat_blocking(client, dialect, REQUEST), Answer) for _ in range(times)]
        finally:
            client.close()

    return (lambda times=1: asyncio.run(on_loop(times))) if request.param == "event loop" else lambda n=1: on_thread(n)


@pytest.mark.parametrize("habit", habits(SAID))
def test_an_answer_is_found_in_whatever_stands_around_it(running, ask, habit):
    """Fences, thoughts, prose, parts and streams."""
    running.will(always=habits(SAID)[habit])
    assert ask() == [Answer(prompt=SAID["prompt"])]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "red coat, golden light",
        '{"prompt": "red coat, gol',
        '{"prompt": "one"} {"prompt": "two"}',
        '{"prompt": "one"}\n```json\n{"prompt": "two"}\n```',
        '<think>Maybe {"prompt": "one"}',
        '{"text": "red coat"}',
        '{"why": {"prompt": "quoted"}}',
        '[["prompt"]]',
        '{"prompt": ' + "[" * 50_000,
    ],
)
def test_what_is_not_exactly_one_object_is_no_answer(text):
    """An echo of somebody else's object beside the model's own cannot be told from it."""
    body = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
    with pytest.raises(MALFORMED):
        answered_object(body, Answer)


@pytest.mark.parametrize(
    "body", [b"", b"[", b"[" * 100_000, b'{"choices": []}', b'{"choices": null}', b"\xff", b"data: x"]
)
def test_what_is_no_completion_is_no_answer(body):
    """Every other form is one of the errors that callers name."""
    with pytest.raises(MALFORMED):
        answered_object(body, Answer)


SAYS = {"error": {"message": "Unsupported parameter", "type": "invalid_request_error"}}
REFUSALS = {
    "max_completion_tokens": (
        ("max_completion_tokens", 422, {"message": {"detail": [{"loc": ["body", "max_completion_tokens"]}]}}),
    ),
    "both limits": (
        ("max_completion_tokens", 400, {"error": {"message": "Unrecognized request argument: max_completion_tokens"}}),
        ("max_tokens", 400, {"error": {"message": "max_tokens is not permitted"}}),
    ),
    "json_schema": (("json_schema", 400, {"error": {"message": "This response_format type is unavailable now"}}),),
    "any response format": (
        ("json_schema", 400, {"error": {"message": "structured outputs are not supported"}}),
        ("json_object", 400, {"error": {"message": "'response_format.type' must be 'text'"}}),
    ),
    "temperature": (("temperature", 400, {"error": {"message": "'temperature' does not support 0 with this model."}}),),
    "all three": (
        ("temperature", 400, {"error": {"message": "unsupported: temperature"}}),
        ("json_schema", 422, {"detail": "json_schema"}),
        ("max_completion_tokens", 400, {"error": "max_completion_tokens?"}),
    ),
    "without a reason": (("json_schema", 400, {"error": "bad request"}), ("max_completion_tokens", 400, {})),
}


@pytest.mark.parametrize("refused", REFUSALS)
def test_a_refused_parameter_is_found_out_once(running, ask, refused):
    """The second question is sent right at once; each refusal is one line of the log."""
    running.will(always=refuse(*REFUSALS[refused], then=completion(json.dumps(SAID))))
    with capture_logs() as logged:
        assert ask(2) == [Answer(prompt=SAID["prompt"])] * 2
    tries = len(running.asked)
    assert tries == 2 + len([line for line in logged if line["event"] == "endpoint refuses a parameter"])
    assert tries <= 2 + 4
    last = running.asked[-1].body
    for parameter, _, _ in REFUSALS[refused]:
        assert parameter not in {*last, last.get("response_format", {}).get("type")}


def test_the_log_has_the_endpoints_words_and_none_of_the_requests(running, ask):
    """Some endpoints repeat key and body in their error."""
    echo = {"error": {"message": f"temperature? {KEY} {PRIVATE} {json.dumps(PRIVATE)}"}}
    running.will(always=refuse(("temperature", 400, echo), then=completion(json.dumps(SAID))))
    with capture_logs() as logged:
        ask()
    (line,) = logged
    assert "temperature?" in line["reason"]
    for secret in (KEY, "zeppelin", "quilted", "in the rain"):
        assert secret not in str(line)


def test_a_refused_text_blames_no_parameter_of_an_endpoint_that_answers(running, ask):
    """A filter of contents says 400 as well: it is told to the caller at once."""
    filtered = answer(400, b'{"error": {"message": "content management policy"}}', JSON)
    running.will(completion(json.dumps(SAID)), always=filtered)
    with pytest.raises(UpstreamUnavailable) as caught:
        ask(2)
    assert (caught.value.status, len(running.asked)) == (400, 2)


def test_an_endpoint_that_refuses_everything_is_asked_a_few_times(running, ask):
    """Each parameter is left out once; then the error is the caller's."""
    running.will(always=answer(400, b"{}", JSON))
    with pytest.raises(UpstreamUnavailable):
        ask()
    assert len(running.asked) == 7
