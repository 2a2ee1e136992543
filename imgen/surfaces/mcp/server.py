"""Server of the `mcp` package with our tools; the first file that imports the package."""

from functools import partial
from typing import Any

import msgspec
import structlog
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as ListedTool
from starlette.types import Scope

from imgen import __version__
from imgen.domain.errors import ImgenError
from imgen.services.core import Core
from imgen.surfaces.mcp import failures
from imgen.surfaces.mcp.answers import ToolAnswer
from imgen.surfaces.mcp.call import McpCall, call_of
from imgen.surfaces.mcp.tools import BY_NAME, TOOLS, Tool
from imgen.surfaces.mcp.waiting import TellProgress
from imgen.surfaces.strict import convert_object

log = structlog.get_logger(__name__)

LIST_TTL_MS = 300_000
"""Time for which clients may keep the list of tools, which changes with the configuration alone."""
INSTRUCTIONS = (
    "Makes pictures that are reviewed, watermarked and signed with Content Credentials. generate_image makes one and waits for "
    "it; list_models has the quality tiers with their cost; check_job looks at a job that takes long; cancel_job ends one."
)
Context = ServerRequestContext[Any, Any]


def make_server(core: Core) -> Server[Any]:
    """Makes the server of one process."""
    tools = [_listed(tool, tool.alias if core.settings.mcp.tool_names == "image" else tool.name) for tool in TOOLS]
    schemas = {name: tool.input_schema for name, tool in BY_NAME.items()}

    async def list_tools(_context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=tools)

    server = Server(
        "imgen",
        version=__version__,
        title="Imgen",
        instructions=INSTRUCTIONS,
        website_url=core.settings.public_url,
        cache_hints={"tools/list": CacheHint(ttl_ms=LIST_TTL_MS, scope="public")},
        get_tool_input_schema=schemas.get,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    server.middleware.clear()  # spans of a library that this project does not use
    return server


async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
    """Calls a tool; its errors are told in words.

    Raises:
        MCPError: there is no such tool.
    """
    call = call_of(_scope(context))
    tool = BY_NAME.get(params.name)
    if tool is None:
        raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name[:100]}")
    with structlog.contextvars.bound_contextvars(**call.log_context):
        return _result(await _answer(call, tool, params.arguments or {}, _progress(context)))


def _scope(context: Context) -> Scope:
    assert context.request is not None
    scope: Scope = context.request.scope
    return scope


async def _answer(call: McpCall, tool: Tool, arguments: dict[str, Any], tell: TellProgress | None) -> ToolAnswer:
    try:
        call.principal.require(tool.scope)
        return await tool.handler(call, convert_object(arguments, tool.arguments), tell)
    except ImgenError as exc:
        return ToolAnswer(text=failures.words_of(exc, call), is_error=True)
    except Exception as exc:  # the package would tell the caller its text
        log.exception("a tool failed", tool=tool.name)
        raise MCPError(INTERNAL_ERROR, "Internal error") from exc


def _progress(context: Context) -> TellProgress | None:
    """Returns what tells progress; None: the caller wants none."""
    if context.meta is None or context.meta.get("progress_token") is None:
        return None
    return partial(_tell, context)


async def _tell(context: Context, share: float, sentence: str) -> None:
    await context.session.report_progress(share, 1.0, sentence)


def _result(answer: ToolAnswer) -> CallToolResult:
    content: list[ContentBlock] = [TextContent(text=answer.text)]
    if answer.picture:
        content.append(ImageContent(data=answer.picture, mime_type=answer.picture_type))
    structure = None if answer.structure is None else msgspec.to_builtins(answer.structure)
    return CallToolResult(content=content, structured_content=structure, is_error=answer.is_error)


def _listed(tool: Tool, name: str) -> ListedTool:
    return ListedTool(
        name=name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.reads_only,
            destructive_hint=tool.is_destructive,
            idempotent_hint=tool.is_idempotent,
            open_world_hint=False,
        ),
    )
