"""Files of models and LoRAs: finds them and checks that they are safetensors. Reads names and headers; loads no weights.

Pickle-based files (.bin, .ckpt, .pt, or under another name) run code when they are opened, so nothing here
or behind here opens one. Names in the catalogue are looked up inside the configured folders only.
"""

import json
import re
from pathlib import Path

from imgen.domain.errors import ModelError
from imgen.weights.lookup import find
from imgen.weights.safetensors_file import SAFETENSORS, pointer_kind, read_header
from workers.engines.diffusers.variants import variant_of
from workers.engines.diffusers.weight_kinds import CHECKPOINT, DENOISER, LORA, kind_of

PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle"})
_INDEX = re.compile(rf"\{SAFETENSORS}\.index(\.\w+)?\.json$")
"""Names of indexes of shards, those of variants included."""
_AS_COMPONENT = (
    'give the folder of a whole model as `source`, and under `components` transformer = "{name}", or unet in its place'
)
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
"""Name of a repository on the hub: owner and name."""


def find_lora(name: str, folders: tuple[Path, ...]) -> Path:
    """Finds and checks a safetensors file by name.

    Raises:
        ModelError: it is missing, outside the folders or no safetensors file.
    """
    path = locate_lora(name, folders)
    check_file(path)
    return path


def locate_lora(name: str, folders: tuple[Path, ...]) -> Path:
    """Finds a file by name without a look into it.

    Raises:
        ModelError: it is missing or outside the folders.
    """
    path = find(name, folders)
    if path is not None and path.is_dir():
        raise ModelError(f"{path} is a folder; write the name of the {SAFETENSORS} file in it")
    if path is None:
        raise ModelError(f"no LoRA file {name!r} in {listed(folders)}")
    return path


def find_model(
    source: str,
    folders: tuple[Path, ...],
    *,
    allow_downloads: bool,
    leave_out: tuple[str, ...] = (),
    is_half: bool = False,
) -> Path:
    """Finds a model's folder or single file and checks it by `check_folder` or `check_file`.

    Args:
        source: a local name, or a hub id (`owner/name`) where no local name fits.
        folders: see `find`.
        allow_downloads: whether the hub may be asked; otherwise only its local cache is.
        leave_out: components neither checked nor fetched: left out, or of the entry's own.
        is_half: whether the half variant is fetched where the hub has one.

    Raises:
        ModelError: it is missing or not safe to open.
    """
    path = find(source, folders)
    if path is None:
        if not HUB_ID.fullmatch(source):
            raise ModelError(f"no model {source!r} in {listed(folders)}")
        path = _from_hub(source, allow_downloads=allow_downloads, leave_out=leave_out, is_half=is_half)
    if path.is_dir():
        check_folder(path, leave_out=leave_out)
    else:
        check_file(path)
        kind = kind_of(read_header(path).tensors)
        _refuse_other_kind(path, kind)
        if kind == DENOISER and "vae" not in leave_out:
            raise ModelError(f"{path} is {kind}: {_AS_COMPONENT.format(name=source)}")
    return path


def check_file(path: Path) -> None:
    """Makes sure that a file is safetensors by name and by content.

    The name counts exactly as libraries compare it: `.Safetensors` would be handed to another loader.

    Raises:
        ModelError: it is not; the message says what it is.
    """
    if path.suffix != SAFETENSORS:
        raise ModelError(f"{path.name} does not end in {SAFETENSORS}; no other format is opened")
    read_header(path)


def check_folder(folder: Path, *, leave_out: tuple[str, ...] = ()) -> None:
    """Makes sure that a pipeline folder can be loaded from safetensors files and JSON alone.

    Raises:
        ModelError: a component has only pickles, a file or an index is not what it says, or the folder brings code.
    """
    index = read_index(folder)
    for name, value in index.items():
        if name.startswith("_") or not isinstance(value, list) or value[:1] == [None] or name in leave_out:
            continue
        part = folder / name
        if (part / f"{value[0]}.py").exists():
            raise ModelError(f"{folder.name}/{name} brings its own code ({value[0]}.py), which is never run")
        check_weights(part if part.is_dir() else folder)


def read_index(folder: Path) -> dict[str, object]:
    """Reads `model_index.json`: [library, class] by component, and `_class_name`.

    Raises:
        ModelError: there is none, or it names a pipeline that is code in the folder.
    """
    try:
        index = json.loads((folder / "model_index.json").read_bytes())
    except OSError as exc:
        _refuse_folder_of_other_kind(folder)
        raise ModelError(f"{folder} has no model_index.json: not a diffusers folder") from exc
    except ValueError as exc:
        kind = pointer_kind(folder / "model_index.json")
        raise ModelError(f"{folder}/model_index.json is no JSON{kind and f': it is {kind}'}") from exc
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise ModelError(
            f"{folder}/model_index.json names no pipeline class of diffusers; code in folders is never run"
        )
    return index


def absent_components(
    source: str,
    folders: tuple[Path, ...],
    *,
    allow_downloads: bool,
    leave_out: tuple[str, ...] = (),
    is_half: bool = False,
) -> tuple[str, ...]:
    """Returns the components to leave out: the given ones, and those that the model's index has as absent, often SD3's T5.

    A single file's index is that of the folder beside it, where there is one.

    Raises:
        ModelError: see `find_model`.
    """
    path = find_model(source, folders, allow_downloads=allow_downloads, leave_out=leave_out, is_half=is_half)
    folder = path if path.is_dir() else path.with_suffix("")
    index = read_index(folder) if folder.is_dir() else {}
    absent = (name for name, value in index.items() if isinstance(value, list) and value[:1] == [None])
    return tuple(dict.fromkeys((*leave_out, *absent)))


def in_cache(source: str, file: str = "model_index.json") -> Path | None:
    """Finds the folder of a hub id that has a file, in the hub's local cache; None if there is none.

    Asks no one: the libraries' own offline switches still fetch a list for their user agent.
    """
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(source, file)
    return Path(found).parent if isinstance(found, str) else None


def check_weights(part: Path) -> None:
    """Makes sure that the weights in one folder, subfolders aside, are safetensors and whole.

    Raises:
        ModelError: they are not.
    """
    files = [file for file in part.iterdir() if file.is_file()]
    safe = [file for file in files if file.suffix.lower() == SAFETENSORS]
    pickled = [file.name for file in files if file.suffix.lower() in PICKLES]
    if pickled and not safe:
        raise ModelError(f"{part} has its weights only as {', '.join(sorted(pickled))}; convert them to safetensors")
    for file in safe:
        check_file(file)
    for file in files:
        refuse_pointer(file)
    for file in files:
        if _INDEX.search(file.name) and (foreign := _foreign_shards(file)):
            raise ModelError(f"{file} names shards that are no safetensors files beside it: {', '.join(foreign)}")


def refuse_pointer(file: Path) -> None:
    """Raises ModelError if a file, of any name, is a pointer to what should be there."""
    if kind := pointer_kind(file):
        raise ModelError(f"{file} is {kind}")


def _refuse_other_kind(path: Path, kind: str) -> None:
    """Raises ModelError if the kind of a file is known, and is no model."""
    if kind.startswith(LORA):
        raise ModelError(f"{path} is {kind}, not a model: list it under `loras` of a character in characters.toml")
    if kind not in ("", CHECKPOINT, DENOISER):
        raise ModelError(f"{path} is {kind}, not a whole model")


def _refuse_folder_of_other_kind(folder: Path) -> None:
    """Raises ModelError if a folder without an index has weights of a known kind."""
    for file in sorted(folder.glob(f"*{SAFETENSORS}")):
        kind = kind_of(read_header(file).tensors)
        _refuse_other_kind(file, kind)
        if kind == DENOISER:
            way_out = _AS_COMPONENT.format(name=file)
            raise ModelError(f"{folder} has no model_index.json, and {file.name} is {kind}: {way_out}")
        if kind == CHECKPOINT:
            raise ModelError(f"{folder} has no model_index.json; {file.name} in it is {kind}: give that file")


def _foreign_shards(index: Path) -> list[str]:
    try:
        shards = {str(shard) for shard in json.loads(index.read_bytes())["weight_map"].values()}
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ModelError(f"{index} is no index of shards") from exc
    return sorted(shard for shard in shards if "/" in shard or "\\" in shard or not shard.endswith(SAFETENSORS))


def _from_hub(source: str, *, allow_downloads: bool, leave_out: tuple[str, ...], is_half: bool) -> Path:
    if not allow_downloads:
        cached = in_cache(source)
        if cached is None:
            here = f"no model {source!r} here or in the hub's local cache"
            raise ModelError(
                f"{here}, and downloads are off: `models add --download`, or allow_downloads in imgen.toml"
            )
        return cached
    import httpx  # the hub's own client
    import huggingface_hub
    from diffusers import DiffusionPipeline
    from huggingface_hub.errors import HfHubHTTPError

    try:
        variant = variant_of(huggingface_hub.list_repo_files(source), is_half=is_half)
        left_out = dict.fromkeys(leave_out)
        return Path(DiffusionPipeline.download(source, use_safetensors=True, variant=variant, **left_out))
    except (OSError, ValueError, HfHubHTTPError, httpx.HTTPError) as exc:
        raise ModelError(f"no model {source!r} here, and the hub did not give it: {exc}") from exc


def listed(folders: tuple[Path, ...]) -> str:
    """Lists folders for a message."""
    return ", ".join(map(str, folders)) or "any folder, because none is configured"
