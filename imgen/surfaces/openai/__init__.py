"""OpenAI images, `/v1/*`: OpenAI's client libraries make pictures here, unmodified."""

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope

from imgen.asgi.endpoint import Answer, Endpoint
from imgen.domain.errors import ImgenError
from imgen.domain.principal import READ
from imgen.services.core import Core
from imgen.surfaces.caller import Caller
from imgen.surfaces.description import Description
from imgen.surfaces.openai import asked, failures, models
from imgen.surfaces.openai.endpoint import PicturesEndpoint
from imgen.surfaces.openai.submitting import NAME
from imgen.surfaces.surface import Surface

PREFIX, MODELS = "/v1", "/v1/models"
CLIENT_HEADERS = (
    *(
        f"X-Stainless-{name}"
        for name in (
            "Lang",
            "Package-Version",
            "OS",
            "Arch",
            "Runtime",
            "Runtime-Version",
            "Retry-Count",
            "Timeout",
            "Helper-Method",
        )
    ),
    "OpenAI-Organization",
    "OpenAI-Project",
)
"""Headers that OpenAI's client for JavaScript sends, of which a browser asks before the first request."""
RETRY_HEADERS = ("x-should-retry", "retry-after-ms")
"""Headers of failures that it reads."""


def routes(core: Core) -> list[BaseRoute]:
    """Returns the routes of the surface."""
    return [
        Route(asked.GENERATIONS, PicturesEndpoint(core, asked.read_generation), methods=["POST"]),
        Route(asked.EDITS, PicturesEndpoint(core, asked.read_edit), methods=["POST"]),
        Route(asked.VARIATIONS, PicturesEndpoint(core, asked.read_variation), methods=["POST"]),
        Route(MODELS, Endpoint(_Models(core)), methods=["GET"]),
        Route(MODELS + "/{model:path}", Endpoint(_Models(core)), methods=["GET"]),
    ]


class _Models:
    """Answers of both routes of models."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, scope: Scope, _receive: Receive) -> Answer:
        """Answers the list, or the model that the path names."""
        try:
            await Caller(self._core, scope, surface=NAME).principal(scope=READ)
            name = scope["path_params"].get("model")
            return models.list_all(self._core) if name is None else models.read(self._core, name)
        except ImgenError as exc:
            return failures.failure(exc)


def describe(core: Core) -> Description:
    """Describes the surface for the reference."""
    from imgen.surfaces.openai import description

    return description.describe(core)


SURFACE = Surface(prefixes=(PREFIX,), routes=routes, name=NAME, error=failures.refusal, describe=describe)
