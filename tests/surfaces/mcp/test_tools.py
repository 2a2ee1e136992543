"""Tools over MCP, called by the client of the `mcp` package in both kinds of protocol versions."""

import base64
import logging

import httpx2
import pytest
from jsonschema import Draft202012Validator
from mcp.shared.exceptions import MCPError
from structlog.testing import capture_logs
from surfaces.mcp.agents import PROMPT, VERSIONS, text_of

from imgen.domain.ids import stored_id
from imgen.surfaces.mcp.tools import TOOLS

pytestmark = pytest.mark.parametrize("mode", VERSIONS)


def test_tools_are_listed_with_true_hints_and_schemas_that_hold(agents, mode):
    """Reading changes nothing, cancelling ends work, generating is no repetition; nulls are no values of arguments."""

    async def steps():
        async with agents.client(mode) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in agents.run(steps)}
    assert list(tools) == ["generate_image", "list_models", "check_job", "cancel_job"]
    hints = {
        name: (tool.annotations.read_only_hint, tool.annotations.destructive_hint, tool.annotations.idempotent_hint)
        for name, tool in tools.items()
    }
    assert hints == {
        "generate_image": (False, False, False),
        "list_models": (True, False, True),
        "check_job": (True, False, True),
        "cancel_job": (False, True, True),
    }
    for tool in tools.values():
        for schema in (tool.input_schema, tool.output_schema):
            assert schema["type"] == "object"
            Draft202012Validator.check_schema(schema)
        assert '"null"' not in str(tool.input_schema).replace("'", '"')
    assert tools["generate_image"].input_schema["required"] == ["prompt"]
    assert tools["generate_image"].input_schema["properties"]["quality_tier"]["enum"][0] == "draft"


def test_a_picture_is_made_with_progress(agents, mode):
    """Progress rises; the answer has the address in words and structure, and a picture that can be looked at."""
    told = []

    async def note(share, total, sentence):
        told.append((share, total, sentence))

    async def steps():
        async with agents.client(mode) as client:
            await client.list_tools()  # its schemas are what the client checks the answer by
            return await agents.draw(client, progress=note, quality_tier="draft", seed=7)

    answer = agents.run(steps)
    assert not answer.is_error, text_of(answer)
    shares = [share for share, _, _ in told]
    assert shares == sorted(set(shares))
    assert told[0][:2] == (0.0, 1.0)
    assert told[0][2].startswith("Waiting at position ")
    assert told[-1][0] >= 0.9
    job = answer.structured_content
    assert (job["state"], job["quality_tier"], job["seed"]) == ("completed", "draft", 7)
    assert (job["width"], job["height"]) == (1024, 1024)
    assert job["url"] in text_of(answer)
    assert job["job_id"] in text_of(answer)
    picture = httpx2.get(job["url"], timeout=30)
    assert picture.headers["content-type"] == "image/png"
    (small,) = [part for part in answer.content if part.type == "image"]
    assert small.mime_type == "image/png"
    assert base64.b64decode(small.data).startswith(b"\x89PNG")


def test_a_job_is_recorded_under_its_surface(agents, mode):
    """Records and plans know where it came from, and another surface polls it."""

    async def steps():
        async with agents.client(mode) as client:
            return await agents.draw(client)

    job_id = agents.run(steps).structured_content["job_id"]
    assert agents.record(stored_id(job_id)).surface == "mcp"
    assert job_id in {job["job_id"] for job in agents.jobs()}


def test_every_name_of_a_tool_is_taken(agents, mode):
    """The names of other servers call the same tools."""

    async def steps():
        async with agents.client(mode) as client:
            return [await client.call_tool(name, {}) for name in ("list_models", "image_list_models")]

    one, other = agents.run(steps)
    assert one.structured_content == other.structured_content
    assert {tool.alias for tool in TOOLS} == {
        "image_generate", "image_list_models", "image_check_job", "image_cancel_job",
    }  # fmt: skip
    assert [tier["tier"] for tier in one.structured_content["tiers"]][:2] == ["draft", "standard"]


def test_an_unknown_tool_is_an_error_of_the_protocol(agents, mode):
    """It is none that an agent could mend with other arguments."""

    async def steps():
        async with agents.client(mode) as client:
            with pytest.raises(MCPError, match="Unknown tool: paint"):
                await client.call_tool("paint", {})

    agents.run(steps)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "prompt is required."),
        ({"prompt": "  "}, "prompt is required."),
        ({"prompt": 5}, "prompt: expected a string, got a whole number."),
        ({"prompt": "a", "seed": -1}, "seed: expected a whole number >= 0."),
        ({"prompt": "a", "quality_tier": "best"}, "quality_tier is one of draft, standard, premium, ultra, ultra_plus."),
        ({"prompt": "a", "aspect_ratio": "5:1"}, "aspect_ratio is one of 16:9, 1:1, 2:3, 3:2, 3:4, 4:3, 9:16."),
        ({"prompt": "a", "model": "none"}, "Invalid model."),
        ({"prompt": "a", "input_asset_url": "https://example.com/a.png"},
         "input_asset_url is the asset_url of a job here."),
        ({"prompt": "a", "mask_image": "AAAA"}, "mask_image needs input_asset_url or input_job_id."),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named_with_what_is_allowed(agents, mode, arguments, words):
    """The agent can mend its call; no job is made."""
    before = len(agents.jobs())

    async def steps():
        async with agents.client(mode) as client:
            return await client.call_tool("generate_image", arguments)

    answer = agents.run(steps)
    assert answer.is_error
    assert text_of(answer) == words
    assert len(agents.jobs()) == before


def test_a_job_of_others_is_looked_at_by_none(agents, mode):
    """Another tenant's job and an unknown one are told in the same words."""
    other = agents.new_key(f"other{VERSIONS.index(mode)}")

    async def steps():
        async with agents.client(mode) as client:
            made = await agents.draw(client)
        async with agents.client(mode, key=other) as client:
            return [
                await client.call_tool(tool, {"job_id": job_id})
                for tool in ("check_job", "cancel_job")
                for job_id in (made.structured_content["job_id"], "00000000-0000-4000-8000-000000000000", "nothing")
            ]

    answers = agents.run(steps)
    assert all(answer.is_error for answer in answers)
    assert len({text_of(answer) for answer in answers}) == 1


def test_an_earlier_picture_is_drawn_from(agents, mode):
    """By its job and by its address."""

    async def steps():
        async with agents.client(mode) as client:
            first = (await agents.draw(client)).structured_content
            again = await agents.draw(client, input_job_id=first["job_id"], input_strength=0.4)
            return again, await agents.draw(client, input_asset_url=first["url"])

    for answer in agents.run(steps):
        assert not answer.is_error, text_of(answer)


def test_a_field_without_effect_is_told(agents, mode):
    """The picture is made all the same."""

    async def steps():
        async with agents.client(mode) as client:
            return await agents.draw(client, input_strength=0.4)

    answer = agents.run(steps)
    assert not answer.is_error
    assert answer.structured_content["notes"] == ["input_strength has no effect without a picture to start from"]
    assert answer.structured_content["notes"][0] in text_of(answer)


def test_an_idempotency_key_makes_one_job(agents, mode):
    """A repetition waits for the same job; other arguments under the same key are refused."""
    key = f"once-{VERSIONS.index(mode)}"

    async def steps():
        async with agents.client(mode, **{"Idempotency-Key": key}) as client:
            first, again = await agents.draw(client), await client.call_tool("generate_image", PROMPT)
            return first, again, await client.call_tool("generate_image", {"prompt": "a blue coat"})

    first, again, other = agents.run(steps)
    assert first.structured_content["job_id"] == again.structured_content["job_id"]
    assert other.is_error
    assert "Idempotency-Key" in text_of(other)


def test_no_log_has_a_prompt(agents, mode, caplog):
    """Neither ours nor the package's, whether the call succeeds or not."""
    secret = "a kite over nowhere"

    async def steps():
        async with agents.client(mode) as client:
            await agents.draw(client, prompt=secret)
            await client.call_tool("generate_image", {"prompt": secret, "quality_tier": secret})
            with pytest.raises(MCPError):
                await client.call_tool("paint", {"prompt": secret})

    with caplog.at_level(logging.INFO), capture_logs() as logged:
        agents.run(steps)
    assert any(line["event"] == "job submitted" for line in logged)
    assert secret not in str(logged) + caplog.text
