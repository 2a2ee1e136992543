"""The specification's own OpenAPI document: a running stack answers as it says, and as a public resolver's tests expect.

c2pa-sbr.json has its operations and schemas (source and licence are in its `info`). What is changed here is what no answer could
keep to, or what the document leaves out.
"""

import copy
import json
import re
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from faults.described import Requests
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator
from surfaces.action.calls import png

SPECIFICATION = json.loads((Path(__file__).parent / "c2pa-sbr.json").read_text())
PREFIX, WELL_KNOWN = "/c2pa/v1", "/.well-known/c2pa-soft-binding-resolution"
BINDING, CONTENT = "/matches/byBinding", "/matches/byContent"
MORE = {
    "401": "No good key.",
    "405": "Another method.",
    "413": "Too large.",
    "429": "Too many.",
    "503": "A part is down.",
}
"""Statuses of any HTTP server that the document does not name."""
SENT_TYPES = ("image/png", "image/jpeg", "application/octet-stream", "text/plain")
REQUESTS = 200


@pytest.fixture(scope="session")
def published(server) -> dict:
    """A finished picture: its job's answer, its file, and its manifest id, which the resolver tells."""
    job = server.wait(server.generate("a red coat on the beach", seed=31, format="png"))
    file = httpx2.get(job["meta"]["images"][0]["url"]).content
    (match, *_) = ask(server, "POST", CONTENT, content=file, headers={"Content-Type": "image/png"}).json()["matches"]
    assert match["manifestId"] == job["meta"]["manifest_id"]
    return job["meta"] | {"file": file}


def ask(server, method: str, path: str, **more) -> httpx2.Response:
    """Sends a request with the stack's key."""
    headers = {"Authorization": f"Bearer {server.key}"} | more.pop("headers", {})
    base = server.url if path.startswith("/.well-known") else server.url + PREFIX
    return httpx2.request(method, base + path, headers=headers, timeout=60, **more)


def patched(examples: dict[str, str]) -> dict:
    """The document for this server, with values of a real picture as examples."""
    document = copy.deepcopy(SPECIFICATION)
    document["paths"] = {
        path if path == WELL_KNOWN else PREFIX + path: item for path, item in document["paths"].items()
    }
    document["security"] = [{}]
    del document["paths"][WELL_KNOWN]["servers"]  # an example's
    for item in document["paths"].values():
        for operation in item.values():
            operation["responses"] |= {status: {"description": about} for status, about in MORE.items()}
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in examples:
                    parameter["example"] = examples[parameter["name"]]
    body = document["paths"][PREFIX + BINDING]["post"]["requestBody"]["content"]["application/json"]
    body["examples"] = {"binding": {"value": {name: examples.get(name) for name in ("alg", "value")}}}
    # Nothing can be sent by a wildcard
    sent = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in SENT_TYPES}
    document["paths"][PREFIX + CONTENT]["post"]["requestBody"]["content"] = sent
    # `oneOf` wants each watermark to have the names of the lists as fields, so that no answer with a watermark is right
    del document["components"]["schemas"]["c2pa.softBindingAlgList"]["properties"]["watermarks"]["items"]["oneOf"]
    return document


def test_the_document_is_valid_and_its_source_is_named():
    """Its own wrong schema is there as published, and refuses every list with a watermark."""
    OpenAPIV31SpecValidator(SPECIFICATION).validate()
    assert SPECIFICATION["info"]["license"]["url"] == "https://creativecommons.org/licenses/by/4.0/"
    assert SPECIFICATION["info"]["x-source"].startswith("https://github.com/c2pa-org/specs-core/")
    listed = {"watermarks": [{"alg": "com.example.mark"}], "fingerprints": []}
    with pytest.raises(ValidationError, match="is not valid under any of the given schemas"):
        Draft202012Validator(SPECIFICATION["components"]["schemas"]["c2pa.softBindingAlgList"]).validate(listed)


def test_every_answer_is_the_specifications(server, published):
    """To right and wrong requests of every operation, each of which succeeds at least once."""
    algorithms = ask(server, "GET", "/services/supportedAlgorithms").json()
    examples = {
        "alg": algorithms["fingerprints"][0]["alg"],
        "value": published["fingerprint"],
        "hintAlg": algorithms["fingerprints"][0]["alg"],
        "hintValue": published["fingerprint"],
        "activeManifestId": published["manifest_id"],
    }
    document = patched(examples)
    with closing(
        Requests(server.url, document, secrets={"auth": server.key}, cookies={}, file=png(64, 64))
    ) as requests:
        requests.send(REQUESTS, check=lambda: None)
    seen = requests.seen
    assert seen.failures == {}, "\n\n".join(f"{name}\n{first}" for name, first in seen.failures.items())
    assert seen.without_success() == []
    assert len(seen.statuses) == sum(len(item) for item in document["paths"].values())


def test_our_own_document_says_the_same(server):
    """Paths, ids of operations, parameters and the fields of answers are the specification's."""
    ours = httpx2.get(f"{server.url}/openapi.json").json()
    for path, item in patched({})["paths"].items():
        own = ours["paths"][path.replace("{activeManifestId}", "{manifest_id}")]
        assert set(own) == set(item)
        for method, operation in item.items():
            named = {(one["name"], one.get("required", False)) for one in operation.get("parameters", ())}
            told = {(one["name"], one.get("required", False)) for one in own[method]["parameters"]}
            assert told == {(name.replace("activeManifestId", "manifest_id"), needed) for name, needed in named}, path
            if operation["operationId"] != "uploadFile":
                assert own[method]["operationId"] == operation["operationId"]
            assert set(own[method]["responses"]) >= {"200", "500"}
            content = own[method]["responses"]["200"]["content"]
            assert set(content) == set(operation["responses"]["200"]["content"])


# ------------------------------------------------------------------ what tests of public resolvers expect


def test_discovery_documents_agree(server):
    """Capabilities, discovery and status have the documented shapes, one version, and addresses that lead to each other."""
    capabilities = ask(server, "GET", "/services/capabilities").json()
    discovery = ask(server, "GET", WELL_KNOWN).json()
    version = SPECIFICATION["info"]["version"]
    assert capabilities == {"c2paSpecificationVersion": version, "supportedCapabilities": ["queryByContent"]}
    assert discovery == {
        "apiEndpoint": f"{server.url}{PREFIX}",
        "c2paSpecificationVersion": version,
        "capabilitiesEndpoint": f"{server.url}{PREFIX}/services/capabilities",
        "statusEndpoint": f"{server.url}{PREFIX}/services/status",
    }
    assert all(urlsplit(url).scheme for name, url in discovery.items() if name.endswith("Endpoint"))
    assert httpx2.get(discovery["capabilitiesEndpoint"]).json() == capabilities
    status = httpx2.get(discovery["statusEndpoint"]).json()
    assert status["status"] == "ok"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", status["timestamp"])


def test_supported_algorithms_are_lists_of_names(server):
    """Each entry has a name that is not empty."""
    listed = ask(server, "GET", "/services/supportedAlgorithms").json()
    assert set(listed) == {"watermarks", "fingerprints"}
    for entry in (*listed["watermarks"], *listed["fingerprints"]):
        assert set(entry) == {"alg"}
        assert entry["alg"]


def test_a_match_leads_to_its_manifest(server, published):
    """From the value to the store, without `endpoint`: at the address that was asked."""
    answer = ask(
        server, "GET", "/matches/byBinding", params={"alg": "internal.imgen.pdq", "value": published["fingerprint"]}
    )
    match = next(one for one in answer.json()["matches"] if one["manifestId"] == published["manifest_id"])
    assert set(match) == {"manifestId", "similarityScore"}
    store = ask(server, "GET", f"/manifests/{match['manifestId']}")
    assert (store.status_code, store.headers["content-type"]) == (200, "application/c2pa")
    assert store.content[4:8] == b"jumb"


def test_unknown_manifests_are_404_and_strangers_401(server):
    """With a garbage token, too."""
    path = "/manifests/urn:c2pa:conformance-does-not-exist"
    assert ask(server, "GET", path).status_code == 404
    assert ask(server, "GET", path, headers={"Authorization": "Bearer garbage"}).status_code == 401
    assert httpx2.get(f"{server.url}{PREFIX}{path}").status_code == 401


def test_head_answers_like_get(server, published):
    """Status and headers are those of GET, without content."""
    for path in (
        "/services/supportedAlgorithms",
        "/services/capabilities",
        "/services/status",
        WELL_KNOWN,
        f"/manifests/{published['manifest_id']}",
        f"/matches/byBinding?alg=internal.imgen.pdq&value={published['fingerprint']}",
    ):
        got, headed = (ask(server, method, path) for method in ("GET", "HEAD"))
        assert got.status_code == headed.status_code == 200
        assert headed.content == b""
        for name in ("content-type", "content-length"):
            assert headed.headers[name] == got.headers[name], (path, name)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/matches/byBinding", {"GET", "HEAD", "POST"}), ("DELETE", "/services/status", {"GET", "HEAD"})],
)
def test_another_method_is_told_the_right_ones(server, method, path, allowed):
    """`Allow` lists all methods of the path."""
    answer = ask(server, method, path)
    assert answer.status_code == 405
    assert set(re.split(", *", answer.headers["allow"])) == allowed
