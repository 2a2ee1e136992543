"""Retries of the `openai` package join the job of the request whose answer was lost; honest equal requests make jobs of their own."""

import base64
import socket
import time
from collections.abc import Callable

import openai
import pytest
from clients.openai.conftest import PROMPT, SOURCES, opened
from servers.cutting_proxy import CutWhen, answer_begins, start_cutting_proxy
from servers.stack import Stack


@pytest.fixture
def own_key(new_key: Callable[..., str]) -> str:
    """A key of a tenant whose jobs are those of one test."""
    return new_key()


@pytest.fixture
def jobs(server: Stack, own_key: str) -> Callable[[], list[dict]]:
    """Lists the jobs of that tenant."""
    return lambda: server.post({"action": "jobs", "limit": 100}, own_key).json()["jobs"]


@pytest.fixture(params=["while it waits", "amid the answer"])
def cut_when(request: pytest.FixtureRequest, jobs: Callable[[], list[dict]]) -> CutWhen:
    """The moment at which the first connection breaks."""

    def job_is_made(_server: socket.socket) -> None:
        deadline = time.monotonic() + 60
        while not jobs():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    return job_is_made if request.param == "while it waits" else answer_begins


def generate(client: openai.OpenAI) -> list[str]:
    return [made.b64_json for made in client.images.generate(prompt=PROMPT, n=2).data]


def edit(client: openai.OpenAI) -> list[str]:
    return [made.b64_json for made in client.images.edit(prompt=PROMPT, image=SOURCES[:2], n=2).data]


def stream(client: openai.OpenAI) -> list[str]:
    return [event.b64_json for event in client.images.generate(prompt=PROMPT, n=2, stream=True)]


@pytest.mark.parametrize("send", [generate, edit, stream])
def test_a_retry_joins_the_first_job(
    server: Stack, own_key: str, jobs: Callable, charged: Callable, cut_when: CutWhen, send: Callable
) -> None:
    """The package's own retry gets the pictures of the first try, however its connection broke: one charge each."""
    with (
        start_cutting_proxy(server.url, cut_when=cut_when) as proxy,
        openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=own_key) as client,
    ):
        made = send(client)

    assert proxy.connections == 2
    assert len(set(made)) == len(made) == 2
    assert all(opened(base64.b64decode(one)).format == "PNG" for one in made)
    assert [job["status"] for job in jobs()] == ["COMPLETED"] * 2
    assert charged(own_key) == 2


def test_two_honest_equal_requests_make_two_jobs(
    server: Stack, own_key: str, jobs: Callable, charged: Callable
) -> None:
    """The same body, sent twice by a person who wants two pictures: two jobs, two charges, two pictures."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=own_key) as client:
        first, second = (client.images.generate(prompt=PROMPT).data[0].b64_json for _ in range(2))
    assert first != second
    assert len(jobs()) == charged(own_key) == 2


def test_a_retry_of_an_answered_request_makes_a_job(server: Stack, own_key: str, jobs: Callable) -> None:
    """A request that says it is a retry, of a body whose answer came through, is a new one."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=own_key) as client:
        first = client.images.generate(prompt=PROMPT).data[0].b64_json
        again = client.images.generate(prompt=PROMPT, extra_headers={"x-stainless-retry-count": "1"}).data[0].b64_json
    assert first != again
    assert len(jobs()) == 2
