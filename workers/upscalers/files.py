"""Files of upscaling networks: looked up like other weights, and told from other files before any of them is loaded."""

from pathlib import Path

from imgen.domain.errors import ModelError
from imgen.weights.lookup import find
from imgen.weights.safetensors_file import SAFETENSORS, read_header
from workers.engines.diffusers.weight_kinds import kind_of

UPSCALER = "an upscaler"


def find_upscaler(name: str, folders: tuple[Path, ...]) -> Path:
    """Finds the safetensors file of a network by name, and reads its header.

    Raises:
        ModelError: it is missing, outside the folders, no safetensors file, or another kind of weights.
    """
    path = find(name, folders)
    if path is None:
        raise ModelError(f"no upscaler {name!r} in {' or '.join(map(str, folders))}")
    if path.is_dir():
        raise ModelError(f"{path} is a folder; write the name of the {SAFETENSORS} file in it")
    if path.suffix != SAFETENSORS:
        raise ModelError(f"{path} is not used: upscalers are {SAFETENSORS} files; no pickle is opened")
    kind = kind_of(read_header(path).tensors)
    if kind not in ("", UPSCALER):
        raise ModelError(f"{path} is {kind}, not {UPSCALER}")
    return path
