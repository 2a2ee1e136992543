"""Submission of a request as the action API does it: repaired, then handed to the services."""

from collections.abc import Awaitable

from imgen.domain.principal import Principal
from imgen.domain.request import GenerateRequest
from imgen.services.core import Core
from imgen.services.orders import repaired_order
from imgen.services.submit import Submitted, submit


def submit_repaired(core: Core, principal: Principal, request: GenerateRequest, **how) -> Awaitable[Submitted]:
    """Submits the repaired order of a request; `how` is the surface, and an idempotency key."""
    return submit(core, principal, repaired_order(core, principal, request), **how)
