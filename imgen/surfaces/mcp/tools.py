"""Table of the tools: names, words, arguments, answers and handlers. A further tool is a row here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from imgen.domain.principal import GENERATE, READ
from imgen.domain.tiers import DEFAULT_TIER, TIERS
from imgen.surfaces.mcp import handlers
from imgen.surfaces.mcp.answers import ToolAnswer
from imgen.surfaces.mcp.wire import CheckArguments, ImageJob, JobArguments, NoArguments
from imgen.surfaces.tier_offers import TiersAndModels
from imgen.surfaces.tier_request import TierRequest

REF = "#/$defs/{name}"
Schema = dict[str, Any]
_TIER: Schema = {"enum": list(TIERS), "default": DEFAULT_TIER}
"""Values that depend on no configuration, for agents; the services check them."""


class Tool(NamedTuple):
    """One tool."""

    name: str
    alias: str
    """Its name in servers that begin each name with `image`; it is always taken."""
    title: str
    description: str
    arguments: type[Struct]
    answer: type[Struct]
    scope: str
    """Scope that a call needs."""
    handler: Callable[..., Awaitable[ToolAnswer]]
    reads_only: bool = False
    is_destructive: bool = False
    is_idempotent: bool = False

    @property
    def input_schema(self) -> Schema:
        """Returns the JSON schema of the arguments."""
        return _without_nulls(_schema(self.arguments))

    @property
    def output_schema(self) -> Schema:
        """Returns the JSON schema of the structured answer."""
        return _schema(self.answer)


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="generate_image",
        alias="image_generate",
        title="Make a picture",
        description="Makes a picture of a prompt, or from an earlier picture. Waits for it and answers its address and a small "
        "version; a job that takes long is answered with its job_id, for check_job. Every picture costs credits of the plan, by "
        "quality_tier: list_models has them. Do not call it again for a job that still runs.",
        arguments=TierRequest,
        answer=ImageJob,
        scope=GENERATE,
        handler=handlers.generate_image,
    ),
    Tool(
        name="list_models",
        alias="image_list_models",
        title="List quality tiers and models",
        description="Lists the quality tiers with what each costs, and the models that `model` may name: sizes, ratios, "
        "abilities, and why one is not available.",
        arguments=NoArguments,
        answer=TiersAndModels,
        scope=READ,
        handler=handlers.list_models,
        reads_only=True,
        is_idempotent=True,
    ),
    Tool(
        name="check_job",
        alias="image_check_job",
        title="Look at a job",
        description="Tells the state of a job: queued, processing, completed or failed, with the picture's address when it is "
        "completed. With wait_s it waits for the end.",
        arguments=CheckArguments,
        answer=ImageJob,
        scope=READ,
        handler=handlers.check_job,
        reads_only=True,
        is_idempotent=True,
    ),
    Tool(
        name="cancel_job",
        alias="image_cancel_job",
        title="Cancel a job",
        description="Cancels a job that has not ended; it costs nothing then. One that has ended stays as it is.",
        arguments=JobArguments,
        answer=ImageJob,
        scope=GENERATE,
        handler=handlers.cancel_job,
        is_destructive=True,
        is_idempotent=True,
    ),
)
BY_NAME: Mapping[str, Tool] = {name: tool for tool in TOOLS for name in (tool.name, tool.alias)}
"""Tools by both of their names."""


def _schema(kind: type[Struct]) -> Schema:
    """Returns the schema of a Struct, an object at its root as the protocol demands."""
    schemas = msgspec.json.schema_components((kind,), ref_template=REF)[1]
    root: Schema = schemas.pop(kind.__name__)
    return root | ({"$defs": schemas} if schemas else {})


def _without_nulls(schema: Schema) -> Schema:
    """Leaves null out of what arguments may be: it is the same as leaving them out, and some models' interfaces refuse it."""
    properties = {name: _without_null(name, sent) for name, sent in schema["properties"].items()}
    return schema | {"properties": properties, "additionalProperties": False}


def _without_null(name: str, schema: Schema) -> Schema:
    plain = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    for either in schema.get("anyOf", ()):
        if either != {"type": "null"}:
            plain |= either
    if "enum" in plain:
        plain = {"type": "string"} | plain
    return plain | (_TIER if name == "quality_tier" else {})
