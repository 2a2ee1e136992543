"""Server with the tools, resources and prompts that the conformance suite of MCP asks for; its answers are the suite's own."""

import asyncio
import base64
import json
from typing import Any

from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    Completion,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = base64.b64encode(b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0@\x1f\0\0\1\0\x08\0data\0\0\0\0").decode()


def make_fixture() -> Server[Any]:
    """Makes the server."""
    made = MCPServer("fixture")
    _add_tools(made)
    _add_resources(made)
    _add_prompts(made)

    @made.completion()
    async def complete(*_asked: Any) -> Completion:
        return Completion(values=["one", "two"], total=2, has_more=False)

    return made._lowlevel_server


def _image() -> ImageContent:
    return ImageContent(data=PNG, mime_type="image/png")


def _resource(uri: str, kind: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=kind, text=text))


def _add_tools(made: MCPServer) -> None:
    @made.tool(description="A tool of the suite.", structured_output=False)
    def test_simple_text() -> str:
        return "This is a simple text response for testing."

    @made.tool(description="A tool of the suite.", structured_output=False)
    def test_image_content() -> Any:
        return [_image()]

    @made.tool(description="A tool of the suite.", structured_output=False)
    def test_audio_content() -> Any:
        return [AudioContent(data=WAV, mime_type="audio/wav")]

    @made.tool(description="A tool of the suite.", structured_output=False)
    def test_embedded_resource() -> Any:
        return [_resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")]

    @made.tool(description="A tool of the suite.", structured_output=False)
    def test_multiple_content_types() -> Any:
        mixed = _resource("test://mixed-content-resource", "application/json", json.dumps({"test": "data"}))
        return [TextContent(text="Multiple content types test:"), _image(), mixed]

    @made.tool(description="A tool of the suite.", structured_output=False)
    def test_error_handling() -> str:
        raise ValueError("This tool intentionally returns an error for testing")

    @made.tool(description="A tool of the suite.", structured_output=False)
    async def test_tool_with_progress(context: Context) -> str:
        for done in (0, 50, 100):
            await context.report_progress(done, 100)
            await asyncio.sleep(0.01)
        return "Done"

    @made.tool(description="A tool of the suite.", structured_output=False)
    def test_missing_capability() -> str:
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "needs sampling", {"requiredCapabilities": {"sampling": {}}})

    @made.tool(description="A tool of the suite.", structured_output=False)
    def test_logging_tool() -> str:
        return "Nothing is logged to clients that have not asked for it."


def _add_resources(made: MCPServer) -> None:
    @made.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @made.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        return base64.b64decode(PNG)

    @made.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:  # noqa: A002 - the name of the suite's template
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def _add_prompts(made: MCPServer) -> None:
    def told(*parts: Any) -> list[UserMessage]:
        return [UserMessage(part) for part in parts]

    @made.prompt(description="A prompt of the suite.")
    def test_simple_prompt() -> Any:
        return told(TextContent(text="This is a simple prompt for testing."))

    @made.prompt(description="A prompt of the suite.")
    def test_prompt_with_arguments(arg1: str, arg2: str) -> Any:
        return told(TextContent(text=f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"))

    @made.prompt(description="A prompt of the suite.")
    def test_prompt_with_embedded_resource(resourceUri: str) -> Any:  # noqa: N803 - the suite's name
        embedded = _resource(resourceUri, "text/plain", "Embedded resource content for testing.")
        return told(embedded, TextContent(text="Please process the embedded resource above."))

    @made.prompt(description="A prompt of the suite.")
    def test_prompt_with_image() -> Any:
        return told(_image(), TextContent(text="Please analyze the image above."))
