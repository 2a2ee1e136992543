"""Requests made after an OpenAPI document: of every operation, right and wrong ones, for callers with every credential it takes."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

schemathesis.serializer.alias("image/avif", "image/png")  # which schemathesis knows to be bytes
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
RUNS = settings(
    max_examples=1,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


SILENCE_S = 0.1
"""Wait for a further event of a stream, which may never end."""


class _Session(requests.Session):
    """Connections to the server."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Sends a request."""
        response = super().request(*args, **kwargs)
        if response.headers.get("Content-Type", "").startswith("text/event-stream"):
            response.raw.connection.sock.settimeout(SILENCE_S)
        return response


@dataclass(frozen=True)
class Caller:
    """Credentials of a request."""

    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """Answers to all requests."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    """Operation → status → number."""
    failures: dict[str, str] = field(default_factory=dict)
    """Kind of failure → the first one."""

    @property
    def requests(self) -> int:
        return sum(counts.total() for counts in self.statuses.values())

    def without_success(self) -> list[str]:
        """Operations none of whose requests succeeded."""
        return [name for name, counts in self.statuses.items() if not any(200 <= status < 300 for status in counts)]


class Requests:
    """Requests to a server, made after the document that it serves."""

    def __init__(
        self,
        url: str,
        document: dict[str, Any],
        *,
        secrets: Mapping[str, str],
        cookies: Mapping[str, str],
        file: bytes,
    ) -> None:
        """Takes what requests are made of.

        Args:
            url: the server.
            document: the document that it serves.
            secrets: security scheme → its secret.
            cookies: sent with every request.
            file: body of operations that take a file.
        """
        self.seen = Seen()
        self._check: Callable[[], None] = lambda: None
        self._url, self._document, self._secrets, self._file = url, document, secrets, file
        self._session = _Session()
        self._session.cookies.update(cookies)
        operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
        self._kinds = [(one, kind) for one in operations for kind in self._strategies(one)]

    def close(self) -> None:
        """Ends the connections."""
        self._session.close()

    def send(self, number: int, *, check: Callable[[], None]) -> None:
        """Sends that many requests: to each operation about as many of each kind, as long as there are different ones.

        Calls `check`, which may raise, before each.
        """
        self._check = check
        kinds, turn = self._kinds, 0
        while kinds and self.seen.requests < number:
            share = -(-(number - self.seen.requests) // len(kinds))
            turn += 1
            kinds = [(one, kind) for one, kind in kinds if self._run(one, kind, share, turn) >= share]

    def _run(self, operation: Any, kind: st.SearchStrategy[Any], number: int, turn: int) -> int:
        counts = self.seen.statuses.setdefault(operation.label, Counter())
        before = counts.total()

        @seed(turn)
        @settings(RUNS, max_examples=number)
        @given(case=kind, caller=st.sampled_from(list(self._callers(operation))))
        def run(case: Any, caller: Caller) -> None:
            self._check()
            response = case.call(
                base_url=self._url, session=self._session, headers=caller.headers, cookies=caller.cookies, timeout=120
            )
            counts[response.status_code] += 1
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as exc:
                names = ", ".join(sorted({type(one).__name__ for one in exc.exceptions}))
                self.seen.failures.setdefault(f"{operation.label} {response.status_code} {names}", _told(exc, case))

        try:
            run()
        except Unsatisfiable:  # such as a wrong request where nothing can be wrong
            return 0
        return counts.total() - before

    def _callers(self, operation: Any) -> Iterator[Caller]:
        """Gives a caller for each alternative of an operation's security."""
        for needed in operation.definition.raw.get("security", self._document["security"]) or [{}]:
            headers: dict[str, str] = {}
            cookies: dict[str, str] = {}
            for name in needed:
                scheme, secret = self._document["components"]["securitySchemes"][name], self._secrets[name]
                if scheme["type"] != "apiKey":
                    headers["Authorization"] = f"Bearer {secret}"
                elif scheme["in"] == "header":
                    headers[scheme["name"]] = secret
                else:
                    cookies[scheme["name"]] = secret
            yield Caller(headers, cookies)

    def _strategies(self, operation: Any) -> Iterator[st.SearchStrategy[Any]]:
        """Gives strategies: right and wrong requests, right ones for what there is, and the document's examples."""
        right, wrong = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
        known = _examples_of_parameters(operation)
        yield operation.as_strategy(right)
        yield operation.as_strategy(wrong)
        if known:
            yield operation.as_strategy(right, **known)
        if "path_parameters" in known:
            yield operation.as_strategy(wrong, path_parameters=known["path_parameters"])
        bodies = list(self._bodies(operation))
        if bodies:
            yield st.sampled_from(bodies).flatmap(
                lambda one: operation.as_strategy(right, media_type=one[0], body=one[1], **known)
            )

    def _bodies(self, operation: Any) -> Iterator[tuple[str, Any]]:
        """Gives the type and value of each example of a body; a file's where the body is one."""
        for body in operation.body:
            described = body.definition
            if described.get("schema", {}).get("format") == "binary":
                yield body.media_type, self._file
            for example in described.get("examples", {}).values():
                yield body.media_type, example["value"]


def with_real_ids(document: str, ids: Mapping[str, str]) -> dict[str, Any]:
    """Decodes a document, with ids of what there is in the place of its examples'."""
    for example, real in ids.items():
        document = document.replace(example, real)
    return json.loads(document)


def _examples_of_parameters(operation: Any) -> dict[str, dict[str, Any]]:
    """Examples of path and query, as the arguments of a strategy."""
    found = {
        "path_parameters": {
            one.name: one.definition["example"] for one in operation.path_parameters if "example" in one.definition
        },
        "query": {one.name: one.definition["example"] for one in operation.query if "example" in one.definition},
    }
    return {name: values for name, values in found.items() if values}


def _told(exc: FailureGroup, case: Any) -> str:
    reasons: Sequence[BaseException] = exc.exceptions
    return "\n".join([*(str(one) for one in reasons), case.as_curl_command()])
