"""Bodies of Forge's requests. Each field has the limits that decoding enforces, and the words of the reference."""

from typing import Annotated

from msgspec import Meta, Struct

from imgen.surfaces.tier_request import TierRequest


class ForgeGenerate(TierRequest, frozen=True, kw_only=True):
    """Request for a picture. Unknown fields are ignored; null is the same as left out."""

    sync: Annotated[
        bool | None, Meta(description="Wait for the picture. If it takes too long the answer is that of a queued job.")
    ] = None
    idempotency_key: Annotated[
        str | None,
        Meta(description="The same as the header `Idempotency-Key`: for 24 hours no second job is made."),
    ] = None


class ForgeTenantRequest(Struct, frozen=True, kw_only=True):
    """Request for a tenant; the body may be left out."""

    name: Annotated[
        Annotated[str, Meta(max_length=200)] | None,
        Meta(description="Name, which no other tenant has. Left out: one is made up."),
    ] = None
