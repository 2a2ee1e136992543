"""Answers of the resolver, in the specification's words."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class SoftBindingMatch(Struct, frozen=True, kw_only=True, rename="camel"):
    """Manifest that a soft binding leads to."""

    manifest_id: Annotated[str, Meta(description="Label of the active manifest, for `/c2pa/v1/manifests/{id}`.")]
    similarity_score: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="100: the watermark is the picture's own. Of a fingerprint: the percentage of its bits that agree, "
            "87 at least.",
        ),
    ]


class SoftBindingMatches(Struct, frozen=True, kw_only=True):
    """Manifests that were found, best first; none is no failure."""

    matches: tuple[SoftBindingMatch, ...]


class SoftBindingAlgorithm(Struct, frozen=True, kw_only=True):
    """Algorithm of soft bindings."""

    alg: Annotated[str, Meta(description="Name, as in the assertion.")]


class SoftBindingAlgorithms(Struct, frozen=True, kw_only=True):
    """Algorithms that queries may name. Those after the first of a list are former names of the same one."""

    watermarks: tuple[SoftBindingAlgorithm, ...]
    fingerprints: tuple[SoftBindingAlgorithm, ...]


class ResolverCapabilities(Struct, frozen=True, kw_only=True, rename="camel"):
    """Capabilities of the resolver."""

    c2pa_specification_version: Annotated[str, Meta(description="Version of the specification.")]
    supported_capabilities: Annotated[tuple[str, ...], Meta(description="Optional parts of the API that are there.")]


class ResolverStatus(Struct, frozen=True, kw_only=True):
    """Status of the resolver: database and object store were asked."""

    status: Annotated[
        Literal["ok", "degraded", "down"],
        Meta(description="`degraded`: manifests are found, and their stores cannot be read. `down`: nothing is found."),
    ]
    timestamp: Annotated[str, Meta(description="Time of the question, UTC, to the second.")]


class ResolverDiscovery(Struct, frozen=True, kw_only=True, rename="camel"):
    """Discovery document of the resolver."""

    api_endpoint: Annotated[str, Meta(description="Base of all its paths.")]
    c2pa_specification_version: Annotated[str, Meta(description="Version of the specification.")]
    capabilities_endpoint: str
    status_endpoint: str
