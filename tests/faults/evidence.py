"""Evidence of one run of a stack: all that it logged, stored, sent to Redis and answered, with canaries among the secrets and words."""

import base64
import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import httpx2
import redis as redis_py
from servers.chat import FAULTS, start_chat
from servers.redis_server import start_redis
from servers.stack import INSTANT_MODELS, start_stack

from imgen.records import installation
from imgen.records.database import Database

ENHANCER_KEY = "sk-canaryENHANCER0123456789"
S3_SECRET = "canaryS3SECRET0123456789"
REDIS_PASSWORD = "canaryREDIS0123456789"
TYPED_WRONG = "imgen_" + "c0ffee" * 10 + "c0de"
"""Somebody's key with a letter wrong: nobody's, and nobody's business."""

WORDS = {
    "prompt": "canaryprompt",
    "negative": "canarynegative",
    "cs_author": "canaryauthor",
    "precompliance": "canaryhint",
}
BROKEN = "canarybroken"
"""In requests that are refused, and in an enhancer's prompt."""

MODELS = f"""{INSTANT_MODELS}
[troubled]
label = "Troubled"
source = "none"
backend = "instant"
steps = {{ default = 4, min = 1, max = 500 }}
guidance = {{ default = 3.5, min = 1.0, max = 12.0 }}
time_limit_s = 60
default_style = "professional"
call = {{ fail_on = "brittle", retry_on = "stubborn", crash_on = "poison" }}
styles = {{ professional = {{ label = "Professional" }} }}
"""


def settings_of(chat, redis_url, *, prompts=False) -> str:
    """Every secret a settings file can hold, and the most talkative log."""
    return f"""
[redis]
url = "{redis_url}"
[jobs]
lease_s = 4
reconcile_s = 0.5
max_attempts = 2
retry_pauses_s = [0.1]
first_pause_s = 0.1
give_up_s = 1
[enhancer]
base_url = "{chat.base_url}"
api_key = "{ENHANCER_KEY}"
model = "wordsmith"
timeout_s = 2
[objects.s3]
secret_access_key = "{S3_SECRET}"
[logs]
level = "DEBUG"
prompts = {str(prompts).lower()}
"""


@dataclass
class Evidence:
    """Answers and pages seen from outside, by place."""

    logs: dict[str, str]
    commands: list[str]
    """Commands that clients sent to Redis."""
    kept: dict[str, str]
    """Values in Redis at the end, by key."""
    database: bytes
    told: list[str]
    """Bodies of all answers but those that are to tell a prompt."""
    jobs: dict[str, str] = field(default_factory=dict)
    """Job ids by what became of them."""
    keys: dict[str, str] = field(default_factory=dict)
    """Raw keys and other secrets that this installation made."""


class Listener(threading.Thread):
    """Everything that clients send to Redis, as MONITOR tells it; it asks again when Redis was away."""

    def __init__(self, server) -> None:
        super().__init__(daemon=True)
        self.server, self.heard, self.stopping = server, [], threading.Event()

    def run(self):
        while not self.stopping.is_set():
            with contextlib.suppress(redis_py.RedisError), self.server.client() as client, client.monitor() as monitor:
                for command in monitor.listen():
                    self.heard.append(command["command"])
            time.sleep(0.05)


def kept_in(server) -> dict[str, str]:
    """Every key with its whole value as text."""
    readers = {
        b"string": lambda client, name: client.get(name),
        b"list": lambda client, name: client.lrange(name, 0, -1),
        b"set": lambda client, name: client.smembers(name),
        b"zset": lambda client, name: client.zrange(name, 0, -1, withscores=True),
        b"hash": lambda client, name: client.hgetall(name),
    }
    with server.client() as client:
        return {name.decode(): repr(readers[client.type(name)](client, name)) for name in client.scan_iter()}


def post(stack, key, body, **headers):
    """One request as raw bytes."""
    given = {"Authorization": f"Bearer {key}"} | headers
    return httpx2.post(f"{stack.url}/api/v2", content=body, headers=given, timeout=30)


@contextlib.contextmanager
def refusing_outcomes(path):
    """The database refuses to let a job end for the length of the block: an error nobody foresaw, with the row in its hand."""
    with contextlib.closing(sqlite3.connect(path, timeout=15, isolation_level=None)) as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE OF outcome ON jobs WHEN NEW.outcome IS NOT NULL"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        yield
        connection.execute("DROP TRIGGER refuse")


def generate(stack, key, **fields) -> dict:
    body = {"action": "generate", "prompt": f"red coat, {WORDS['prompt']}"} | {
        name: word for name, word in WORDS.items() if name != "prompt"
    }
    response = post(stack, key, json.dumps(body | fields).encode())
    assert response.status_code == 200, response.text
    return response.json()


def ask_badly(stack, key) -> list[str]:
    """Requests that are refused, all with canaries inside. Returns what was answered."""
    bad_bodies = [
        f'{{"action": "generate", "prompt": "{BROKEN}"',
        f'{{"action": "{BROKEN}"}}',
        f'{{"action": "generate", "prompt": ["{BROKEN}"]}}',
        f'{{"action": "generate", "prompt": "@{BROKEN} red coat"}}',
        f'{{"action": "generate", "prompt": "red coat", "wm_image": "data:image/png;base64,{BROKEN}"}}',
        f'{{"action": "generate", "prompt": "red coat", "compliance_ruleset": "{BROKEN}"}}',
        f'{{"action": "generate", "prompt": "{BROKEN * 1000}"}}',
        f'{{"action": "status", "id": "{BROKEN}"}}',
        f'{{"action": "jobs", "cursor": "{BROKEN}"}}',
    ]
    answers = [post(stack, key, body.encode()) for body in bad_bodies]
    answers += [post(stack, TYPED_WRONG, body.encode()) for body in bad_bodies[:2]]
    answers.append(httpx2.get(f"{stack.url}/api/v2?key={key}&prompt={BROKEN}"))
    answers.append(httpx2.get(f"{stack.url}/{BROKEN}", headers={"Authorization": f"Bearer {key}"}))
    answers.append(post(stack, key, b"", Idempotency_Key=BROKEN))
    assert {answer.status_code for answer in answers} <= {400, 401, 404, 405}
    return [answer.text for answer in answers]


def ask_enhancer(stack, key, chat) -> list[str]:
    """A better prompt, and endpoints that fail in ways that repeat what they were sent."""
    answers = []
    for fault in (None, "401", "500", "prose", "null choices", "reset"):
        chat.will(always=FAULTS.get(fault))
        body = {"action": "optimize", "prompt": f"red coat, {BROKEN}"}
        answers.append(post(stack, key, json.dumps(body).encode()))
    assert [answer.status_code for answer in answers] == [200, *[502] * 5]
    return [answer.text for answer in answers[1:]]


def work_through(stack, key, chat, server) -> tuple[list[str], dict[str, str]]:
    """Pictures, refusals and faults of every kind. Returns what was answered, and jobs by what became of them."""
    told, jobs = ask_badly(stack, key) + ask_enhancer(stack, key, chat), {}

    def wait(name, job, **expected):
        answer = stack.wait(job)
        assert {field: answer[field] for field in expected} == expected, answer
        jobs[name] = job["id"]
        return answer

    safe = wait("safe", generate(stack, key), status="COMPLETED")
    assert safe["meta"]["cs_author"] == WORDS["cs_author"]
    for name, prompt in (("blocked", "nude marble statue"), ("floor", "nude child")):
        answer = wait(name, generate(stack, key, prompt=f"{prompt}, {WORDS['prompt']}"), compliance="unsafe")
        told.append(json.dumps(answer))
    for word in ("brittle", "stubborn", "poison"):
        job = generate(stack, key, prompt=f"{word}, {WORDS['prompt']}", model="troubled")
        told.append(json.dumps(wait(word, job, status="FAILED")))
    with refusing_outcomes(stack.data / "imgen.db"):
        refused = generate(stack, key)
        log = stack.data / "logs" / "finish-worker.log"
        deadline = time.monotonic() + 60
        while "failed unexpectedly" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    wait("refused by the database", refused)
    server.kill()
    told.append(post(stack, key, json.dumps({"action": "generate", "prompt": BROKEN}).encode()).text)
    time.sleep(1)  # every part finds out
    server.start()
    deadline = time.monotonic() + 30
    while post(stack, key, b'{"action": "generate", "prompt": "red coat"}').status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    wait("after all that", generate(stack, key), status="COMPLETED")
    return told, jobs


def doctor(stack) -> str:
    """Output of `imgen doctor`, and of a command with settings that are wrong beside a secret."""
    command = [sys.executable, "-m", "imgen.cli"]
    checked = subprocess.run(
        [*command, "doctor", "--data", str(stack.data)], capture_output=True, text=True, check=False, timeout=60
    )
    broken = stack.data.parent / "broken"
    broken.mkdir()
    (broken / "imgen.toml").write_text(f'[enhancer]\napi_key = ["{ENHANCER_KEY}"]\ntimeout_s = "{S3_SECRET}"\n')
    refused = subprocess.run(
        [*command, "doctor", "--data", str(broken)], capture_output=True, text=True, check=False, timeout=60
    )
    assert "enhancer" in checked.stdout
    assert "[enhancer] api_key" in refused.stderr
    return checked.stdout + checked.stderr + refused.stdout + refused.stderr


def gather(folder) -> Evidence:
    """One run of a stack with a Redis that asks for a password, from its start to its end."""
    data = folder / "var"
    with start_chat() as chat, start_redis(folder, REDIS_PASSWORD) as server:
        listener = Listener(server)
        listener.start()
        with start_stack(data, settings=settings_of(chat, server.url), models=MODELS) as stack:
            key = stack.imgen("keys", "create", "canary", "--tenant", "canary", "--plan", "unlimited")
            stack_key, stack.key = stack.key, key
            told, jobs = work_through(stack, key, chat, server)
            said = doctor(stack)
            kept = kept_in(server)
            database = Database(f"sqlite:///{data / 'imgen.db'}")
            signing_secret = installation.secret(database, installation.DISK).hex()
            web_secret = installation.secret(database, installation.WEB).hex()
            database.close()
            raw = b"".join(path.read_bytes() for path in sorted(data.glob("imgen.db*")))
            assert stack.stop() == 0
            started = "\n".join(stack.lines) + stack.process.stdout.read().decode()
        listener.stopping.set()
    (password,) = re.findall(r"as admin with (\S+)", started)
    logs = {path.name: path.read_text() for path in sorted(data.glob("logs/*"))}
    logs["stderr"] = (data / "stderr.log").read_text()
    logs["stdout"] = started.replace(stack_key, "<shown once>", 1).replace(password, "<shown once>", 1)
    logs["doctor"] = said
    return Evidence(
        logs=logs,
        commands=listener.heard,
        kept=kept,
        database=raw,
        told=told,
        jobs=jobs,
        keys={
            "key": key,
            "first key": stack_key,
            "panel": password,
            "signing": signing_secret,
            "web signing": web_secret,
        },
    )


def secrets_of(evidence) -> dict[str, str]:
    """Words that may be nowhere."""
    configured = {"enhancer": ENHANCER_KEY, "s3": S3_SECRET, "redis": REDIS_PASSWORD, "typed wrong": TYPED_WRONG}
    return {
        name: value.removeprefix("imgen_").removeprefix("sk-") for name, value in (evidence.keys | configured).items()
    }


def found(words, text) -> list[str]:
    """Finds the words that are in the text, as they are or in base64 at any offset."""
    return [word for word in words if any(form in text for form in (word, *in_base64(word)))]


def in_base64(word) -> list[str]:
    """Makes the parts of base64 that every text with this word has, whatever stands before: three offsets."""
    forms = []
    for offset, cut in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * offset + word.encode()).decode().rstrip("=")
        forms.append(encoded[cut:-1])
    return forms
