"""Hostile engines of the kinds `gemini` and `workersai`: what they answer is as bounded, and nothing of it becomes a picture."""

import pytest
from hostile_answers import KEY, PROMPT
from servers.faulty_http import answer
from servers.gemini import candidate, finished, picture
from servers.hostile_engine import (
    NEVER,
    SHORT_S,
    SIXTY,
    TRAPS,
    URLS,
    Answers,
    assert_given_up,
    assert_told,
    assert_told_at_once,
    broken,
    head,
    in_answers,
    megabytes,
    raw,
)
from servers.image_engine import JSON
from servers.workers_ai import enveloped, failure, in_base64

PNG = {"Content-Type": "image/png"}


def in_part(text):
    """Gemini's answer with this text as its file."""
    start = b'{"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "'
    return raw(head(), start, text, b'"}}]}}]}')


def in_result(text):
    """Workers AI's answer with this text as its picture."""
    return raw(head(), b'{"success": true, "result": {"image": "', text, b'"}}')


def part(data):
    return broken({"candidates": [{"content": {"parts": [{"inlineData": {"data": data}}]}}]})


FORMS: dict[str, Answers] = {
    "gemini": {
        "60 MB of no base64": lambda: in_part(b"%" * SIXTY),
        "60 MB of base64 of no picture": lambda: in_part(b"A" * SIXTY),
        "60 MB of escaped base64": lambda: in_part(b"\\/AAA" * (SIXTY // 5)),
        "60 MB of candidates": lambda: raw(head(), b'{"candidates": [', b"{}," * (SIXTY // 3), b"{}]}"),
        "60 MB of parts": lambda: raw(
            head(), b'{"candidates": [{"content": {"parts": [', b"{}," * (SIXTY // 3), b"{}]}}]}"
        ),
        "a message of 60 MB": lambda: finished("NO_IMAGE", "a" * SIXTY),
        "candidates of another type": lambda: broken({"candidates": 5}),
        "content of another type": lambda: broken({"candidates": [{"content": [5]}]}),
        "parts of another type": lambda: broken({"candidates": [{"content": {"parts": {"0": {}}}}]}),
        "a file of another type": lambda: broken({"candidates": [{"content": {"parts": [{"inlineData": "AAAA"}]}}]}),
        "a number for base64": lambda: part(5),
        "nothing for base64": lambda: part(None),
        "an object for base64": lambda: part({"data": "AAAA"}),
        "a list for base64": lambda: part(["AAAA"]),
        "an unfinished text": lambda: raw(
            head(), b'{"candidates": [{"content": {"parts": [{"inlineData": {"data": "AAAA'
        ),
        "a page in base64": lambda: part("PGgxPlNpZ24gaW48L2gxPg=="),
        **in_answers(lambda file: candidate(picture(file))),
    },
    "workersai": {
        "60 MB of no base64": lambda: in_result(b"%" * SIXTY),
        "60 MB of base64 of no picture": lambda: in_result(b"A" * SIXTY),
        "60 MB of escaped base64": lambda: in_result(b"\\/AAA" * (SIXTY // 5)),
        "60 MB of errors": lambda: raw(head(), b'{"errors": [', b"{}," * (SIXTY // 3), b"{}]}"),
        "an error of 60 MB": lambda: failure(500, 3030, "a" * SIXTY),
        "500 MB of picture": lambda: raw(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", then=megabytes),
        "60 MB of picture": lambda: answer(200, b"A" * SIXTY, PNG),
        "a page as a picture": lambda: answer(200, b"<h1>Sign in</h1>", PNG),
        "nothing as a picture": lambda: answer(200, b"", PNG),
        "a result of another type": lambda: broken({"success": True, "result": [5]}),
        "success of another type": lambda: broken({"success": "yes", "result": {"image": "AAAA"}}),
        "errors of another type": lambda: broken({"success": False, "errors": "no"}),
        "an error of another type": lambda: broken({"success": False, "errors": [{"code": "no", "message": 5}]}),
        "a number for base64": lambda: enveloped({"image": 5}),
        "an object for base64": lambda: enveloped({"image": {"data": "AAAA"}}),
        "an unfinished text": lambda: raw(head(), b'{"success": true, "result": {"image": "AAAA'),
        "a page in base64": lambda: enveloped({"image": "PGgxPlNpZ24gaW48L2gxPg=="}),
        **in_answers(in_base64, "{} in base64"),
        **in_answers(lambda file: answer(200, file, PNG)),
    },
}
AT_ONCE = [(kind, name) for kind, forms in FORMS.items() for name in (*TRAPS, *forms)]


@pytest.mark.parametrize(("kind", "name"), AT_ONCE)
def test_an_answer_that_is_a_trap_is_told_at_once(ask, kind, name):
    """Before its time is up, and for less memory than it asks for."""
    assert_told_at_once(ask((TRAPS | FORMS[kind])[name](), kind=kind))


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("name", NEVER)
def test_an_answer_that_never_ends_is_given_up_in_time(ask, kind, name):
    """Whatever it sends meanwhile, the whole answer counts."""
    assert_given_up(ask(NEVER[name], SHORT_S, kind))


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_a_url_in_place_of_base64_leads_nowhere_inside(ask, url):
    """Workers AI may answer by URL, which is fetched from public addresses alone; in Gemini's file it is no base64."""
    told = ask(enveloped({"image": url}), kind="workersai")
    assert_told(told)
    is_url = url.startswith(("http://", "https://"))
    assert told["words"].startswith(
        "Engine hostile: its picture cannot be fetched: " if is_url else "Engine hostile answered"
    )
    told = ask(candidate({"inlineData": {"data": url}}), kind="gemini")
    assert_told(told)
    assert told["words"] == "Engine hostile answered in another form"


@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_neither_prompt_nor_key_is_repeated(ask, log, status):
    """Not by the error, and by no line of the log; the rest of the server's words is told."""
    sent = f"Sorry: {PROMPT.upper()} by {KEY}"
    error = {"code": status, "status": "UNKNOWN", "message": sent}
    reply = answer(status, b'{"error": %s}' % str(error).replace("'", '"').encode(), JSON)
    told = [ask(finished("NO_IMAGE", sent) if status == 200 else reply, kind="gemini")]
    told.append(ask(failure(status, 3001, sent), kind="workersai"))
    for one in told:
        assert "Sorry" in one["words"], one
        written = (one["words"] + log.read_text()).casefold()
        assert not [words for words in (PROMPT, KEY, "coat", "harbour", "0123456789") if words in written]
