"""Documents of the resolver, which are public: its algorithms, capabilities and status, and the one by which it is found."""

from collections.abc import Iterable

from starlette.types import Receive, Scope

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain.job import utc_text
from imgen.domain.soft_binding import Algorithm
from imgen.services.core import Core
from imgen.services.recognition.resolver_state import ResolverParts
from imgen.surfaces.provenance import query
from imgen.surfaces.provenance.answers import (
    ResolverCapabilities,
    ResolverDiscovery,
    ResolverStatus,
    SoftBindingAlgorithm,
    SoftBindingAlgorithms,
)
from imgen.surfaces.public_address import base_of

SPECIFICATION = "2.4.0"
"""`info.version` of the specification's OpenAPI document."""
PREFIX = "/c2pa/v1"
WELL_KNOWN = "/.well-known/c2pa-soft-binding-resolution"
ALGORITHMS, CAPABILITIES, STATUS = (
    f"{PREFIX}/services/{name}" for name in ("supportedAlgorithms", "capabilities", "status")
)
SUPPORTED = ("queryByContent",)
"""Optional capabilities. Nothing is fetched for strangers, and nobody but the signer stores manifests or bindings."""
OPEN_HEADERS = {"Access-Control-Allow-Origin": "*"}
"""Headers of what pages of any origin may read."""


async def algorithms(core: Core, _scope: Scope, _receive: Receive) -> Answer:
    """Answers the names of the algorithms."""
    return json_answer(algorithms_of(core), 200, OPEN_HEADERS)


async def capabilities(_scope: Scope, _receive: Receive) -> Answer:
    """Answers which optional parts of the API there are."""
    return json_answer(CAPABILITIES_ANSWER, 200, OPEN_HEADERS)


async def status(parts: ResolverParts, _scope: Scope, _receive: Receive) -> Answer:
    """Answers whether the parts behind the resolver answer."""
    found = await parts.state()
    return json_answer(ResolverStatus(status=found.state, timestamp=utc_text(found.asked_at)), 200, OPEN_HEADERS)


async def discovery(core: Core, scope: Scope, _receive: Receive) -> Answer:
    """Answers the addresses of the resolver, under the address that the client uses."""
    return json_answer(discovery_of(base_of(core.settings, scope)), 200, OPEN_HEADERS)


def algorithms_of(core: Core) -> SoftBindingAlgorithms:
    """Returns the names of the algorithms by kind, the present ones first."""
    known = query.algorithms(core)

    def named(algorithm: Algorithm) -> Iterable[SoftBindingAlgorithm]:
        return (SoftBindingAlgorithm(alg=name) for name, one in known.items() if one is algorithm)

    return SoftBindingAlgorithms(
        watermarks=tuple(named(Algorithm.WATERMARK)), fingerprints=tuple(named(Algorithm.FINGERPRINT))
    )


def discovery_of(base: str) -> ResolverDiscovery:
    """Returns the discovery document of a server at a URL."""
    return ResolverDiscovery(
        api_endpoint=base + PREFIX,
        c2pa_specification_version=SPECIFICATION,
        capabilities_endpoint=base + CAPABILITIES,
        status_endpoint=base + STATUS,
    )


CAPABILITIES_ANSWER = ResolverCapabilities(c2pa_specification_version=SPECIFICATION, supported_capabilities=SUPPORTED)
