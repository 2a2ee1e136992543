"""Digest of the weights that would draw a request: of the files on this machine, else as workers have told it."""

from imgen.domain.catalog import Model
from imgen.domain.engine_options import DiffusersOptions, RemoteOptions
from imgen.live import weights
from imgen.services.core import Core
from imgen.threads import SEARCH
from imgen.weights.identity import identity, identity_elsewhere, names_of
from imgen.weights.lookup import in_order


async def weights_of(core: Core, model: Model, lora: str) -> str | None:
    """Returns the digest of a model with its own components and a LoRA file, or without where `lora` is empty.

    Empty: the engine draws without weights. None: no worker has told them yet, so no picture can be known to be of them.

    Raises:
        Retryable: Redis does not answer, or a disk does not.
    """
    if isinstance(model.engine, RemoteOptions):
        return await _identity_elsewhere(core, model.engine, lora)
    if not isinstance(model.engine, DiffusersOptions):
        return ""
    names = names_of(model, lora)
    folders, shipped = core.settings.model_folders, core.catalog.shipped
    digests = [await SEARCH.run(core.weights.named, name, in_order(name, folders, shipped)) for name in names]
    if not all(digests):
        told = await core.live.run(weights.read(names))
        digests = [own or other for own, other in zip(digests, told, strict=True)]
    return identity(model, lora, dict(zip(names, digests, strict=True))) if all(digests) else None


async def _identity_elsewhere(core: Core, options: RemoteOptions, lora: str) -> str:
    folders = core.settings.workflow_folders
    names = {choice.workflow for choice in options.engines if choice.workflow}
    workflows = {name: await SEARCH.run(core.weights.named, name, folders) for name in sorted(names)}
    return identity_elsewhere(options, lora, workflows)
