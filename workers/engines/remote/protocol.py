"""Protocol between the drawing and the clients of remote engines: one client for each kind and engine. Imports no torch.

Clients run in one event loop of the worker process, many calls at once. They translate their server's answers into our errors:

- `RefusedByProvider`: the provider's policy forbids the picture.
- `RemoteEngineBusy`, `RemoteKeyRefused`, `RemoteEngineAway`: nothing was drawn, and nothing is to be paid.
- `ModelError`: the engine refuses the request itself; another try would be refused as well.
- `RemoteJobLost`: the engine does not know the id of work that it was given.
- `RemoteEngineFailed`: anything else; the call may have been paid.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from imgen.domain.engine_options import EngineChoice
from imgen.domain.remote_engine import RemoteEngine
from workers.engines import Shot

Progress = Callable[[float, bytes], None]
"""Progress callback: share done, 0 to 1, and the file of a preview; empty: there is none."""


@dataclass(frozen=True, kw_only=True)
class PictureRequest:
    """One picture that a remote engine is asked for."""

    call_id: str
    """UUID in lower case, ours; the same for all attempts that go on with one call."""
    choice: EngineChoice
    """The engine as the model's entry names it: the engine's own name of the model, what it takes, its workflow."""
    shot: Shot

    @property
    def hidden(self) -> tuple[str, ...]:
        """Texts that no error message may repeat."""
        return tuple(filter(None, (self.shot.diffusion.positive, self.shot.diffusion.negative)))


@dataclass(frozen=True, kw_only=True)
class RemoteAnswer:
    """Picture that a remote engine drew."""

    file: bytes | str
    """The picture's file, or a URL of it that the engine told: it is fetched from public addresses alone."""
    revised_prompt: str = ""
    """Prompt that the engine drew in place of the one it was given; empty: it tells none."""
    seed: int | None = None
    """Seed that the engine tells; None: it tells none, and the one that it took counts."""


class RemoteClient(ABC):
    """Client of one engine."""

    @abstractmethod
    def __init__(self, remote: RemoteEngine, key: SecretStr, folders: Sequence[Path] = ()) -> None:
        """Opens a client; nothing is asked.

        Args:
            remote: entry of engines.toml.
            key: its key; empty: it wants none.
            folders: folders of workflow files, the first has precedence.
        """

    @classmethod
    def check_choice(cls, choice: EngineChoice, folders: Sequence[Path]) -> None:  # noqa: ARG003 - for other kinds
        """Checks what a model's entry says of an engine of this kind; every entry will do unless the kind says otherwise.

        Raises:
            ModelError: the engine could never draw by it.
        """
        return

    @abstractmethod
    async def probe(self, models: Sequence[str] = ()) -> tuple[str, ...]:
        """Asks, without having anything drawn, whether the engine answers and takes its key.

        Args:
            models: names that entries have in `model`; they are asked for where an engine lists none itself.

        Returns:
            The engine's own names of its models, such as a user may write into `model`; empty: it lists none.

        Raises:
            RemoteKeyRefused, RemoteEngineAway, RemoteEngineFailed: it does not answer as it should.
        """

    @abstractmethod
    async def close(self) -> None:
        """Closes the connections."""


class DirectClient(RemoteClient):
    """Client of an engine without ids: the call ends with the picture, and a broken one cannot be found again."""

    @abstractmethod
    async def draw(self, request: PictureRequest, progress: Progress) -> RemoteAnswer:
        """Has a picture drawn. Its cancellation closes the connection.

        Raises:
            ImgenError: see the module.
        """


class QueueClient(RemoteClient):
    """Client of an engine that gives its work an id, by which the work can be awaited and cancelled later."""

    takes_our_id: bool = False
    """Whether the work's id is the request's `call_id`, so that it is known before the engine is asked."""

    @abstractmethod
    async def submit(self, request: PictureRequest) -> str:
        """Hands the work over. Returns its id.

        Raises:
            ImgenError: see the module. `RemoteEngineAway` only if the work was certainly not taken.
        """

    @abstractmethod
    async def wait(self, engine_job_id: str, request: PictureRequest, progress: Progress) -> RemoteAnswer:
        """Waits until the work is done. Short outages of the engine are waited out, up to 10 s; the caller limits the whole time.

        Raises:
            RemoteJobLost: the engine does not know the id.
            RemoteEngineAway: it does not answer; the work may go on.
            ImgenError: see the module.
        """

    @abstractmethod
    async def cancel(self, engine_job_id: str) -> bool:
        """Cancels the work. Returns whether it certainly had not begun, so that nothing is to be paid.

        Raises:
            RemoteEngineAway, RemoteEngineFailed: the engine does not answer as it should.
        """
