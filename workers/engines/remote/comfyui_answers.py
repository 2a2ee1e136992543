"""Answers of a ComfyUI server, as far as they are read. Source: ComfyUI, server.py, execution.py and comfy_execution/jobs.py."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct

Status = Literal["pending", "in_progress", "completed", "failed", "cancelled"]


class SystemStats(Struct):
    """Answer of `/system_stats`."""

    system: dict[str, Any]


class Upload(Struct):
    """Answer of `/upload/image`."""

    name: str
    subfolder: str = ""
    type: str = "input"

    @property
    def value(self) -> str:
        """Value of a loader's input (ComfyUI, folder_paths.py, annotated_filepath)."""
        path = f"{self.subfolder}/{self.name}" if self.subfolder else self.name
        return path if self.type == "input" else f"{path} [{self.type}]"


class Queued(Struct):
    """Answer of `/prompt`."""

    prompt_id: str


class Unknown(Struct):
    """Answer of `/api/jobs/{id}` with status 404, by which it differs from that of a server without this route."""

    error: str


class Failure(Struct):
    """Error of the node that failed. Its inputs, which hold the prompts, are left out."""

    exception_type: str = ""
    exception_message: str = ""
    node_type: str = ""


class File(Struct):
    """Place of a file on the server: the parameters of `/view`."""

    filename: str
    subfolder: str = ""
    type: str = "output"


class EngineJob(Struct):
    """Answer of `/api/jobs/{id}`."""

    status: Status
    outputs: dict[str, Any] = {}
    execution_error: Failure | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("pending", "in_progress")

    @property
    def picture(self) -> File | None:
        """The first picture, a saved one if there is any; None: the workflow made none."""
        files = list(_pictures(self.outputs))
        return next((file for file in files if file.type == "output"), files[0] if files else None)


class _Item(Struct, array_like=True):
    number: float
    prompt_id: str


class Queue(Struct):
    """Answer of `/queue`."""

    queue_running: list[_Item] = []
    queue_pending: list[_Item] = []

    def job(self, engine_job_id: str) -> EngineJob | None:
        """Returns the work of an id; None: it is not in the queue."""
        if any(item.prompt_id == engine_job_id for item in self.queue_running):
            return EngineJob("in_progress")
        if any(item.prompt_id == engine_job_id for item in self.queue_pending):
            return EngineJob("pending")
        return None


class _EndStatus(Struct):
    status_str: str = ""
    messages: list[tuple[str, Any]] = []


class HistoryEntry(Struct):
    """Value of an id in the answer of `/history/{id}`."""

    outputs: dict[str, Any] = {}
    status: _EndStatus | None = None

    @property
    def job(self) -> EngineJob:
        """The work that has ended."""
        if self.status is None or self.status.status_str != "error":
            return EngineJob("completed", self.outputs)
        facts = dict(self.status.messages)
        if "execution_interrupted" in facts:
            return EngineJob("cancelled", self.outputs)
        return EngineJob("failed", self.outputs, _converted(facts.get("execution_error"), Failure))


class _NodeError(Struct):
    message: str = ""
    details: str = ""


class _NodeErrors(Struct):
    errors: list[_NodeError] = []
    class_type: str = ""


class Refusal(Struct):
    """Answer of `/prompt` with status 400: a workflow that cannot be run."""

    error: _NodeError
    node_errors: dict[str, _NodeErrors] = {}

    @property
    def words(self) -> str:
        """The reasons, those of single nodes first."""
        of_nodes = [
            f"node {node_id} ({node.class_type}): {error.message}: {error.details}"
            for node_id, node in self.node_errors.items()
            for error in node.errors
        ]
        return "; ".join(of_nodes or [f"{self.error.message} {self.error.details}".strip()])


def _pictures(outputs: dict[str, Any]) -> Iterator[File]:
    """Yields the pictures of all nodes, in the server's order; outputs of other kinds are left out."""
    for output in outputs.values():
        images = output.get("images") if isinstance(output, dict) else None
        for image in images if isinstance(images, list) else []:
            if (file := _converted(image, File)) is not None and file.filename:
                yield file


def _converted(value: Any, form: type[Any]) -> Any:
    """Returns a decoded value as a Struct; None: it has another form."""
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError:
        return None
