"""Orders of requests: every value within the limits of catalog, settings and plan, as the dialect of the request has it."""

from imgen.domain.principal import Principal
from imgen.domain.repair import resolve
from imgen.domain.request import GenerateRequest, ResolvedRequest
from imgen.services.core import Core


def repaired_order(core: Core, principal: Principal, request: GenerateRequest) -> ResolvedRequest:
    """Makes an order whose wrong values are repaired and told.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters, InvalidField: see repair.resolve.
    """
    return resolve(
        request,
        core.catalog,
        core.rulesets,
        max_prompt_chars=core.settings.jobs.max_prompt_chars,
        open_jobs=core.plan_of(principal.tenant.plan).open_jobs,
    )
