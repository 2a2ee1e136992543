"""The OpenAPI document over HTTP and against a running stack: it must be what the code does."""

import base64
import json
import re
from urllib.parse import quote

import httpx2
import msgspec
import pytest
from bombs import saved
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from PIL import Image
from surfaces.reference.openapi import call, check, sent_examples, told_examples

from imgen.domain import errors
from imgen.domain.outcome import Meta
from imgen.domain.request import FIELDS, GenerateRequest, PictureSource, ReadPicture
from imgen.provenance import intake, untrusted_image
from imgen.surfaces import surface
from imgen.surfaces.action import answers, fields, translation
from imgen.surfaces.action.actions import ACTIONS
from imgen.surfaces.action.decoding import decode
from imgen.surfaces.action.description import ABOUT
from imgen.surfaces.action.failures import FAILURES

TYPES = {"string": str, "boolean": bool, "integer": float, "number": float}


def test_it_is_openapi_3_1(document, server):
    """The document is valid, tells this server's address and version, and wants the key where the API does."""
    OpenAPIV31SpecValidator(document).validate()
    assert document["servers"] == [{"url": server.url}]
    health = httpx2.get(f"{server.url}/healthz").json()
    assert document["info"]["version"] == health["version"]
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_every_enumeration_has_its_type(document):
    """Also in answers, whose schemas msgspec writes without."""

    def untyped(part, path=""):
        if isinstance(part, dict):
            if "enum" in part and "type" not in part and not path.endswith("/properties"):
                yield path
            for key, value in part.items():
                yield from untyped(value, f"{path}/{key}")
        elif isinstance(part, list):
            for number, value in enumerate(part):
                yield from untyped(value, f"{path}/{number}")

    assert list(untyped(document)) == []


def test_every_action_and_every_field_is_in_it(document):
    """The union's Structs and the document name the same actions and fields, of the same types."""
    body = call(document)["requestBody"]["content"]["application/json"]["schema"]
    mapping = body["discriminator"]["mapping"]
    assert set(mapping) == set(ACTIONS)
    assert sorted(mapping.values()) == sorted(part["$ref"] for part in body["oneOf"])
    for name, action in ACTIONS.items():
        assert action.request.__struct_config__.tag == name
        schema = document["components"]["schemas"][mapping[name].rpartition("/")[2]]
        assert set(schema["properties"]) == {"action", *action.request.__struct_fields__}
        assert schema["properties"]["action"]["const"] == name
        assert all(about.get("description") for field, about in schema["properties"].items() if field != "action")
    told = document["components"]["schemas"]["GenerateRequest"]["properties"]
    for field, about in FIELDS.items():
        pictures = (ReadPicture | None, PictureSource | None)
        assert about.value_type in (object, *pictures, TYPES[told[field]["type"]] | None), field


def test_defaults_and_limits_are_the_codes(server, document):
    """A value at a default or a limit passes without a warning; one beyond is repaired, as the document says."""
    properties = document["components"]["schemas"]["GenerateRequest"]["properties"]
    defaults = {name: about["default"] for name, about in properties.items() if "default" in about}
    plain = {"action": "generate", "prompt": "red coat"}
    bare, full = (
        server.wait(server.post(plain | more).json())["meta"] for more in ({"seed": 1}, {"seed": 1, **defaults})
    )
    assert {name: full[name] for name in defaults if name in full} == {
        name: bare[name] for name in defaults if name in bare
    }
    assert {name: defaults[name] for name in defaults if name in full and name != "negative"} == {
        name: full[name] for name in defaults if name in full and name != "negative"
    }
    ranged = {name: about for name, about in properties.items() if "maximum" in about}
    assert set(ranged) > {"steps", "guidance", "seed", "quality", "lora_scale"}
    for end, beyond in (("minimum", -1), ("maximum", 1)):
        drawn = plain | {
            "image": f"data:,{quote(saved(Image.new('RGB', (64, 64)), 'PNG'))}"
        }  # or the strength has no effect
        at = server.post(drawn | {name: about[end] for name, about in ranged.items()}).json()
        assert "warnings" not in at
        over = server.post(drawn | {name: about[end] + beyond for name, about in ranged.items()}).json()
        assert set(over["warnings"]) == set(ranged)
    for name, about in properties.items():
        for value in about.get("enum", ()) if name not in ("width", "height") else ():
            assert "warnings" not in server.post(plain | {name: value}).json(), (name, value)
    pairs = re.findall(r"(\d+)×(\d+)", properties["width"]["description"])
    assert len(pairs) == 7
    for width, height in pairs:
        assert "warnings" not in server.post(plain | {"width": int(width), "height": int(height)}).json()
    cut = {
        name: "x" * (about["maxLength"] + 1)
        for name, about in properties.items()
        if "Cut at" in about.get("description", "")
    }
    assert (
        set(server.post(plain | cut).json()["warnings"])
        == set(cut)
        == {"precompliance", *(name for name in properties if name.startswith("cs_"))}
    )
    long = {"prompt": "x" * (properties["prompt"]["maxLength"] + 1)}
    assert server.post(plain | long).json() == {"error": "Invalid prompt"}


def test_required_fields_are_those_without_which_it_fails(server, document):
    """Each action without one of them is refused, and passes with them alone."""
    for name, sent in sent_examples(document).items():
        if name != sent["action"]:
            continue  # a further example
        schema = document["components"]["schemas"][f"{name.title()}Request"]
        needed = {field: sent[field] for field in schema["required"]}
        assert server.post(needed).status_code in (200, 404)
        for field in needed:
            assert server.post({key: value for key, value in needed.items() if key != field}).status_code == 400


def test_example_requests_are_taken(server, document):
    """The decoder takes every one, they fit their schemas, and the running server answers them without a warning."""
    examples = sent_examples(document)
    assert {name for name, sent in examples.items() if name == sent["action"]} == set(ACTIONS)
    for name, sent in examples.items():
        action = sent["action"]
        assert name.startswith(action)
        assert type(decode(json.dumps(sent).encode())).__struct_config__.tag == action
        check(document, f"{action.title()}Request", sent)
        response = server.post(sent)
        assert response.status_code == (404 if "id" in sent else 200), (name, response.text)
        assert "warnings" not in response.json()


def test_real_answers_are_as_told(server, document):
    """Every answer of the server fits the schema, has no field that the schema lacks, and the example's fields."""
    examples = told_examples(document)

    held = {"status_open"}

    def hold(cls, example, answer):
        held.add(example)
        check(document, cls.__name__, answer)
        check(document, cls.__name__, examples[example])
        assert set(answer) == set(examples[example]), example

    of_a_job = {"generate", "status", "cancel", "jobs", "verify"}
    for name in set(ACTIONS) - of_a_job:
        hold(*ACTIONS[name].answers, name, server.post(sent_examples(document)[name]).json())
    for variant in ("generate_several", "generate_from_picture"):
        hold(answers.GenerateAnswer, variant, server.post(sent_examples(document)[variant]).json())
    begun = server.generate("@aya red coat, on a beach", format="webp")
    hold(answers.GenerateAnswer, "generate", begun)
    check(document, "GenerateAnswer", server.generate("red coat", width=3))
    done = server.wait(begun, within_s=180)
    hold(answers.CompletedAnswer, "status_completed", done)
    assert set(done["meta"]) == set(examples["status_completed"]["meta"])
    nobodys = server.post(sent_examples(document)["verify"]).json()
    hold(answers.UnknownPictureAnswer, "verify_unknownpicture", nobodys)
    picture = base64.b64encode(httpx2.get(done["meta"]["images"][0]["url"]).content).decode()
    ours = server.post({"action": "verify", "image": f"data:image/webp;base64,{picture}"}).json()
    hold(answers.KnownPictureAnswer, "verify_knownpicture", ours)
    assert (ours["verdict"], ours["job"]["gen_id"]) == ("proven", begun["gen_id"])
    asked = {
        "action": "verify",
        "image": f"data:image/webp;base64,{picture}",
        "deep": "on",
    }  # read at once, so no search
    assert server.post(asked).json() == ours
    assert server.post(asked | {"deep": "perhaps"}).json() == {"error": "Invalid deep"}
    slow = server.generate("red coat", steps=500)
    check(document, "OpenAnswer", server.status(slow))
    hold(answers.CancelAnswer, "cancel", server.post({"action": "cancel", "id": slow["id"]}).json())
    hold(answers.EndedAnswer, "status_ended", server.wait(slow))
    check(document, "OpenAnswer", examples["status_open"])
    blocked = server.wait(server.generate("a nude person", compliance_ruleset="strict"))
    hold(answers.BlockedAnswer, "status_blocked", blocked)
    page = server.post({"action": "jobs", "limit": 1, "status": "COMPLETED"}).json()
    hold(answers.JobsAnswer, "jobs", page)
    assert set(page["jobs"][0]) == set(examples["jobs"]["jobs"][0])
    for path, name in (("/healthz", "Alive"), ("/readyz", "Ready")):
        check(document, name, httpx2.get(server.url + path).json())
    assert held == set(examples)


def test_what_answers_may_hold_is_closed(document):
    """The checks above can fail: an unknown field and a missing one are found."""
    good = told_examples(document)["generate"]
    check(document, "GenerateAnswer", good)
    for bad in (good | {"more": 1}, {key: value for key, value in good.items() if key != "id"}):
        with pytest.raises(Exception, match="Additional properties|required property"):
            check(document, "GenerateAnswer", bad)


def test_the_200_is_any_of_the_answers(document):
    """The operation's own schema holds every example."""
    schema = call(document)["responses"]["200"]["content"]["application/json"]["schema"]
    root = schema | {"components": document["components"]}
    examples = told_examples(document)
    assert all(Draft202012Validator(root).is_valid(example) for example in examples.values())
    assert not Draft202012Validator(root).is_valid({"surprise": 1})


def test_every_field_of_meta_is_explained(document):
    """Fields that repeat no request have words, and none has words that does not exist."""
    told = set(Meta.__struct_fields__)
    about = set(ABOUT[answers.PictureMeta])
    repeats = {field.name for field in msgspec.structs.fields(GenerateRequest)} | {"id", "gen_id"}
    assert about <= told
    assert told - repeats <= about


def test_every_error_is_in_it(document):
    """Each error that a caller may be answered with, under the status that the code gives it."""
    told = {(row.status, row.text) for row in FAILURES}

    def kin(cls):
        return {cls, *(kind for child in cls.__subclasses__() for kind in kin(child))}

    reachable = {kind for parent in surface.STATUSES for kind in kin(parent)} - {errors.Invalid}
    reachable = {kind for kind in reachable if kind.__module__.startswith("imgen.domain.")}  # surfaces add their own
    reachable -= {errors.Forbidden, errors.ObjectNotFound}  # answered by pages and files alone, as are
    reachable -= {errors.TenantNotFound, errors.TooManyTenants, errors.ModelNotFound, errors.NotFinished}
    reachable -= {errors.InvalidToken, *kin(errors.OAuthError)}  # this surface takes keys alone
    reachable -= {errors.TierNotInPlan, errors.ExportNotInPlan, errors.KeyShownBefore}  # of other surfaces and of none
    reachable -= {errors.ModelNotFound, errors.NotFinished}
    reachable = {kind for kind in reachable if kind.__module__.startswith("imgen.domain.")}  # others are of one surface
    reachable -= {*kin(errors.InvalidField), errors.OutOfScope}  # they name the field, and take an argument
    ours = {kind for kind in reachable if surface.status_of(kind) == surface.UNAVAILABLE}  # whose text is never shown
    assert {(surface.status_of(kind), str(kind())) for kind in reachable - ours} <= told
    assert {(400, "Invalid <field>"), (403, "API key may not do this.")} <= told
    served = {
        (int(status), example["error"])
        for status in call(document)["responses"]
        if status != "200"
        for example in told_examples(document, status).values()
    }
    assert served == told
    assert {row.status for row in FAILURES} >= {400, 401, 404, 405, 413, 429, 502, 503}
    assert [row.status for row in FAILURES] == sorted(row.status for row in FAILURES)
    for status, response in call(document)["responses"].items():
        assert ("Retry-After" in response.get("headers", {})) == (status in ("409", "429", "503"))


def test_real_errors_are_as_told(server, document):
    """Those that can be provoked are answered with a text of the document."""
    key = {"Authorization": f"Bearer {server.key}"}
    big = b" " * (13 * 1024 * 1024)
    replies = [
        server.post({}),
        server.post({"action": "nope"}),
        server.post({"action": "generate"}),
        server.post({"action": "generate", "prompt": "@nobody"}),
        server.post({"action": "status", "id": "x"}),
        server.post({"action": "status", "id": "run_" + "x" * 22}),
        server.post({"action": "status", "id": "cache_" + "0" * 32}),
        server.post({"action": "models"}, "imgen_x"),
        httpx2.post(f"{server.url}/api/v2", content=b"{", headers=key),
        httpx2.post(f"{server.url}/api/v2", content=big, headers=key),
        httpx2.post(f"{server.url}/api/v2"),
        httpx2.get(f"{server.url}/api/v2"),
    ]
    for reply in replies:
        assert reply.json() in told_examples(document, str(reply.status_code)).values()
    assert {reply.status_code for reply in replies} == {400, 401, 404, 405, 413}


def test_the_raw_upload_is_as_told(server, document):
    """A picture as the body is answered like the action; its errors are those of the document."""
    told = document["paths"]["/api/v2/upload"]["post"]["responses"]
    key = {"Authorization": f"Bearer {server.key}"}
    url = f"{server.url}/api/v2/upload"
    kept = httpx2.post(url, content=saved(Image.new("RGB", (64, 64)), "PNG"), headers=key)
    check(document, "UploadAnswer", kept.json())
    replies = [
        httpx2.post(url, content=b"x", headers=key),
        httpx2.post(url, content=bytes(33 << 20), headers=key),
        httpx2.post(url, content=b"x"),
        httpx2.get(url),
    ]
    assert [kept.status_code, *(reply.status_code for reply in replies)] == [200, 400, 413, 401, 405]
    for reply in replies:
        examples = told[str(reply.status_code)]["content"]["application/json"]["examples"].values()
        assert reply.json() in [example["value"] for example in examples]


def test_the_limits_of_pictures_are_as_told():
    """The words say what the code checks."""
    assert fields.MAX_LOGO_MEGAPIXELS * 1_000_000 == untrusted_image.MAX_PIXELS
    assert (fields.MAX_SOURCE_MEGAPIXELS * 1_000_000, fields.MIN_SOURCE_SIDE) == (intake.MAX_PIXELS, intake.MIN_SIDE)


def test_statuses_are_the_codes():
    """The answers' statuses are those of the wire."""
    assert set(answers.AnyStatus.__args__) == set(translation.WIRE_STATUS.values())
