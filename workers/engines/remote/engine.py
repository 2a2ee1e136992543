"""Engine `remote`: a model that servers elsewhere draw. It imports no torch, and a kind's client at its first use alone."""

from collections.abc import Mapping, Sequence
from importlib import import_module

from imgen.domain.capabilities import Capabilities, of_engines
from imgen.domain.catalog import Model
from imgen.domain.engine_options import RemoteOptions
from imgen.domain.errors import ModelError, PictureFlagged, RemoteKeyRefused
from imgen.domain.remote_engine import RemoteEngine
from workers.engines import Drawn, EngineContext, OnStep, Requirements, Shot
from workers.engines.remote.calls import TrialCalls
from workers.engines.remote.drawing import RemoteDrawing
from workers.engines.remote.protocol import RemoteClient

KINDS: Mapping[str, tuple[str, str]] = {
    "openai": ("workers.engines.remote.openai_images", "OpenAIImages"),
    "comfyui": ("workers.engines.remote.comfyui", "ComfyUI"),
    "runpod": ("workers.engines.remote.runpod", "RunPod"),
    "workersai": ("workers.engines.remote.workers_ai", "WorkersAI"),
    "gemini": ("workers.engines.remote.gemini", "Gemini"),
}
"""Kind in engines.toml → module and class of its client."""


def check(model: Model, options: RemoteOptions, context: EngineContext) -> Requirements:
    """Checks what the entry says of each engine that is configured. See `workers.engines.Check`."""
    where = f"models.toml: {model.key}"
    if (model.batch.max or 1) > 1:
        raise ModelError(f"{where}: batch.max: one call draws one picture with backend remote")
    if not any(choice.engine in context.remote_engines for choice in options.engines):
        names = ", ".join(choice.engine for choice in options.engines)
        raise ModelError(f"{where}: engines.toml has no engine {names}")
    for choice in options.engines:
        if (remote := context.remote_engines.get(choice.engine)) is not None:
            _client_class(remote).check_choice(choice, context.workflow_folders)
    return Requirements()


def try_out(_model: Model, _options: RemoteOptions, _context: EngineContext) -> None:
    """Does nothing: a call is paid. See `workers.engines.TryOut`."""


def check_lora(model: Model, options: RemoteOptions, _context: EngineContext, lora: str) -> None:
    """Refuses a LoRA where no engine takes one; its file is the engine's. See `workers.engines.CheckLora`."""
    if not any("lora" in choice.takes for choice in options.engines):
        raise ModelError(f"models.toml: {model.key}: none of its engines takes a LoRA, and {lora} is one")


def capabilities(_model: Model, options: RemoteOptions, context: EngineContext) -> Capabilities:
    """Returns what the entries of configured engines say. See `workers.engines.TellCapabilities`."""
    choices = [one for one in options.engines if one.engine in context.remote_engines]
    return of_engines(choices or options.engines)


def default_batch(_options: RemoteOptions) -> int:
    """Returns 1: a call that fails is then no other picture's. See `workers.engines.DefaultBatch`."""
    return 1


def load(model: Model, _options: RemoteOptions, context: EngineContext) -> "Trial":
    """Opens the model for trial pictures, which no job pays for. See `workers.engines.Load`."""
    return Trial(model, open_drawing(context))


def open_drawing(context: EngineContext) -> RemoteDrawing:
    """Opens the drawing at all engines of a worker process; nothing is asked before the first picture."""
    return RemoteDrawing(context.remote_engines, lambda remote: open_client(remote, context))


def open_client(remote: RemoteEngine, context: EngineContext) -> RemoteClient:
    """Opens the client of an engine; nothing is asked.

    Raises:
        RemoteKeyRefused: its key is not in the environment; jobs wait until the operator has mended that.
    """
    key = context.key_in(remote.api_key_env)
    if remote.api_key_env and not key.get_secret_value():
        raise RemoteKeyRefused(f"engines.toml: {remote.key}: the environment has no {remote.api_key_env}")
    return _client_class(remote)(remote, key, context.workflow_folders)


def _client_class(remote: RemoteEngine) -> type[RemoteClient]:
    module, name = KINDS[remote.kind]
    found: type[RemoteClient] = getattr(import_module(module), name)
    return found


class Trial:
    """Engine of one model outside any job: for the trial picture of `imgen models add`."""

    def __init__(self, model: Model, drawing: RemoteDrawing) -> None:
        self._model = model
        self._drawing = drawing

    @property
    def architecture(self) -> str:
        """Name of the engine."""
        return RemoteOptions.name

    @property
    def memory_bytes(self) -> int:
        """Nothing: the weights are elsewhere."""
        return 0

    def render(self, shots: Sequence[Shot], on_step: OnStep) -> list[Drawn | PictureFlagged]:
        """Has each shot drawn by a call of its own. Raises: see `RemoteDrawing.draw`."""
        return [self._drawing.draw(self._model, shot, TrialCalls(), on_step) for shot in shots]

    def unload(self) -> None:
        """Closes the connections."""
        self._drawing.close()
