"""Recognition for people without an account, where the operator opened it: limited by address, since a picture takes a core."""

from imgen.services.accounts import tries
from imgen.services.core import Core

BY_IP, IN_ALL = 20, 300
"""Pictures within a quarter of an hour, refused ones included: of one network, and of all."""


def is_public(core: Core) -> bool:
    """Returns whether anybody may ask whose a picture is, of all tenants' pictures."""
    return core.settings.provenance.resolution == "public"


async def count(core: Core, remote_ip: str) -> None:
    """Counts a picture of a stranger.

    Raises:
        RateLimited: there were too many of this network, or of all.
        Unavailable: Redis does not answer, so they cannot be counted.
    """
    await tries.count(core, tries.network_key("recognition", remote_ip), limit=BY_IP)
    await tries.count(core, "recognitions", limit=IN_ALL)
