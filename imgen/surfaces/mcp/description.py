"""Description of MCP for the reference. Its messages are the protocol's own; the tools are listed with their arguments."""

from imgen.services.core import Core
from imgen.surfaces.description import Description, Schema, json_content
from imgen.surfaces.mcp.call import PATH
from imgen.surfaces.mcp.tools import TOOLS

TAG = "MCP"
OVERVIEW = """\
**MCP**, `/mcp`: tools for agents over the [Model Context Protocol](https://modelcontextprotocol.io). Give a host the address: \
it signs a person in, or sends an API key as a bearer token. More: [MCP](/docs/mcp).
"""
_ANSWERS = {
    200: "Answer of the protocol, as JSON or as a stream of events.",
    202: "The notification is taken.",
    400: "The message is none of the protocol, or its headers differ from it (−32020, −32022).",
    401: "A token is missing or not valid; `WWW-Authenticate` leads to the authorization server.",
    403: "The origin is not allowed, the plan does not include MCP, or the token lacks a scope.",
    404: "There is no such method (−32601).",
    405: "The method is another one than POST.",
    406: "The client takes no JSON or no stream of events (`Accept`).",
    413: "The message is too large.",
    415: "The body is not sent as `application/json`.",
    421: "The server is called by a name that is not its own.",
    429: "A limit is reached.",
    503: "A part of the server is down.",
}


def describe(core: Core) -> Description:
    """Describes the endpoint and the tools."""
    url = core.settings.public_url
    names = ", ".join(tool.name for tool in TOOLS)
    return Description(
        tag=TAG,
        about="Tools for agents, by the Model Context Protocol.",
        paths={PATH: {"post": _operation()}},
        schemas={},
        overview=OVERVIEW,
        summary=(f"Agents connect to `{url}{PATH}` by the Model Context Protocol (/docs/mcp): tools {names}.",),
        page="mcp",
        sections=("Connect", "Tools", "Errors and limits"),
    )


def _operation() -> Schema:
    return {
        "operationId": "mcp",
        "tags": [TAG],
        "summary": "Send a message of the Model Context Protocol",
        "description": "Takes one JSON-RPC message, in protocol version 2026-07-28 or 2025-11-25 and older. "
        + " ".join(f"`{tool.name}`: {tool.description}" for tool in TOOLS),
        "security": [{"key": []}, {"oauth": []}],
        "requestBody": {
            "required": True,
            "content": json_content(
                {"type": "object", "required": ["jsonrpc", "method"]},
                {"call": {"summary": "A call of a tool", "value": _EXAMPLE}},
            ),
        },
        "responses": {str(status): {"description": words} for status, words in _ANSWERS.items()},
    }


_EXAMPLE: Schema = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "generate_image",
        "arguments": {"prompt": "a red coat on the beach", "quality_tier": "standard"},
    },
}
