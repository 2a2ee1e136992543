"""Quality tiers and selectable models over Forge, and the health of the server."""

from imgen import __version__
from imgen.asgi.endpoint import Answer, json_answer
from imgen.surfaces.call import Call
from imgen.surfaces.forge.answers import ForgeHealth
from imgen.surfaces.tier_offers import tiers_and_models

PATH, HEALTH_PATH = "/v2/models", "/v2/health"


async def list_all(call: Call) -> Answer:
    """Lists the tiers and the selectable models."""
    await call.principal()
    return json_answer(await tiers_and_models(call.core))


async def health(_call: Call) -> Answer:
    """Answers the version."""
    return json_answer(ForgeHealth(version=__version__))
