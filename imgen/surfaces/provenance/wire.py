"""Bodies of the resolver's queries."""

from typing import Annotated

from msgspec import Meta, Struct


class SoftBindingQuery(Struct, frozen=True, kw_only=True):
    """Query for manifests by the value of a soft binding. Unknown fields are ignored."""

    alg: Annotated[str, Meta(description="One of the algorithms of `/c2pa/v1/services/supportedAlgorithms`.")]
    value: Annotated[
        str,
        Meta(
            description="Base64 of the value in the assertion `c2pa.soft-binding`, or of the bytes that its hex digits write; "
            "or that value as it is."
        ),
    ]
