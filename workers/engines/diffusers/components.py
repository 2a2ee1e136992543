"""Components of a model's own (`components` in models.toml): found, and compared with what the model has in their place.

Loads no weights, and needs no torch, so that `imgen doctor` can run it.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from imgen.domain.errors import ModelError
from imgen.weights.lookup import find
from imgen.weights.safetensors_file import SAFETENSORS, read_header
from workers.engines.diffusers.model_files import (
    HUB_ID,
    check_file,
    check_weights,
    in_cache,
    listed,
    read_index,
    refuse_pointer,
)
from workers.engines.diffusers.weight_kinds import DENOISER, kind_of

LIBRARIES = ("diffusers", "transformers")
"""Libraries whose classes are loaded as components."""
CONFIGS = ("config.json", "scheduler_config.json", "tokenizer_config.json", "preprocessor_config.json")
"""Files of which a component's folder has one at least."""
_KINDS = {
    "vae": "a VAE",
    "unet": DENOISER,
    "transformer": DENOISER,
    "text_encoder": "a text encoder",
    "text_encoder_2": "a text encoder",
    "text_encoder_3": "a text encoder",
}
"""Components that may be single files, and the kind of weights in these."""
_SIZES = (
    "latent_channels",
    "cross_attention_dim",
    "joint_attention_dim",
    "pooled_projection_dim",
    "addition_embed_type",
    "projection_class_embeddings_input_dim",
    "caption_channels",
    "hidden_size",
    "d_model",
    "projection_dim",
)
"""Values in configurations of components on which the others rely."""
_HUB_FILES = ("*.json", "*.txt", "*.model", f"diffusion_pytorch_model*{SAFETENSORS}", f"model*{SAFETENSORS}")

FoldersOf = Callable[[str], tuple[Path, ...]]
"""Function from a name to the folders in which it is looked up."""


def find_components(
    key: str,
    components: Mapping[str, str],
    folders_of: FoldersOf,
    config: Path | None,
    *,
    allow_downloads: bool,
) -> dict[str, Path]:
    """Finds the model's own components, and checks all that can be known before they are loaded.

    Args:
        key: the model's, for messages.
        components: name of a folder, single file or repository, by the component's name, as the entry has them.
        folders_of: where a name is looked up.
        config: folder with the model's index and configurations; None: not known yet, so that only the files are checked.
        allow_downloads: whether the hub may be asked; otherwise only its local cache is.

    Returns:
        The folder or single file of each component, by the component's name.

    Raises:
        ModelError: one is missing, unsafe, of another kind, or the model has no such component.
    """
    found = {}
    for name, source in sorted(components.items()):
        try:
            found[name] = find_component(name, source, folders_of(source), config, allow_downloads=allow_downloads)
        except ModelError as exc:
            raise ModelError(f"models.toml: {key}: components: {name}: {exc}") from exc
    return found


def find_component(
    name: str, source: str, folders: tuple[Path, ...], config: Path | None, *, allow_downloads: bool
) -> Path:
    """Finds one of the components, by its name; see `find_components`, whose errors have the setting before these.

    Raises:
        ModelError: it is missing, unsafe, of another kind, or the model has no such component.
    """
    path = find(source, folders) or _from_hub(source, folders, allow_downloads=allow_downloads)
    if path.is_dir():
        _check_folder(path, name)
    else:
        _check_single_file(path, name)
    if config is not None:
        class_of(name, path, read_index(config))
        _refuse_other_sizes(path, config / name)
    return path


def is_hub_id_only(source: str, folders: tuple[Path, ...]) -> bool:
    """Returns whether a name may be a repository's on the hub, and is no file or folder here."""
    return HUB_ID.fullmatch(source) is not None and find(source, folders) is None


def config_of(path: Path) -> Path | None:
    """Returns the folder with a model's index and configurations: the model's own, or the one beside a single file, if any."""
    folder = path if path.is_dir() else path.with_suffix("")
    return folder if folder.is_dir() else None


def class_of(name: str, path: Path, index: Mapping[str, object]) -> tuple[str, str]:
    """Returns library and class of a component: the model's, or the component's own where the model's index has it as absent.

    Raises:
        ModelError: the model has no such component, or of another class, or of one that is not loaded.
    """
    value = index.get(name)
    if name.startswith("_") or not isinstance(value, list) or len(value) != len(("library", "class")):
        known = ", ".join(sorted(each for each in index if isinstance(index[each], list) and not each.startswith("_")))
        raise ModelError(f"{index['_class_name']} has no such component; it has {known}")
    library, kind = value
    own_library, own_kind = _own_class(path)
    if kind is None:
        library, kind = own_library, own_kind
    if library not in LIBRARIES:
        raise ModelError(
            f"a component of {library or 'unknown kind'} is not exchanged, but of {' or '.join(LIBRARIES)}"
        )
    if own_library == library == "diffusers" and own_kind != kind:
        raise ModelError(f"{path} is of the class {own_kind}, and the model has {kind} there")
    return str(library), str(kind)


def weight_files(path: Path) -> list[Path]:
    """Returns the files with weights that are loaded of a component's folder or single file."""
    if path.is_file():
        return [path]
    names = ("diffusion_pytorch_model", "model")
    return [file for file in sorted(path.glob(f"*{SAFETENSORS}")) if file.name.startswith(names)]


def _check_folder(folder: Path, name: str) -> None:
    if (folder / "model_index.json").exists():
        hint = f": give {folder / name}" if (folder / name).is_dir() else ""
        raise ModelError(f"{folder} is a whole model{hint}")
    for config in CONFIGS:
        refuse_pointer(folder / config)
    if not any((folder / config).is_file() for config in CONFIGS):
        raise ModelError(f"{folder} has no {CONFIGS[0]}: not the folder of a component")
    check_weights(folder)
    if name in _KINDS and not any(folder.glob(f"*{SAFETENSORS}")):
        raise ModelError(f"{folder} has no weights, which are {SAFETENSORS} files")


def _check_single_file(path: Path, name: str) -> None:
    check_file(path)
    if name not in _KINDS:
        raise ModelError(f"{path} is a single file; {name} has to be a folder in diffusers' layout")
    kind = kind_of(read_header(path).tensors)
    if kind not in ("", _KINDS[name]):
        raise ModelError(f"{path} is {kind}, not {_KINDS[name]}")


def _refuse_other_sizes(path: Path, own: Path) -> None:
    """Raises ModelError if a component takes or gives tensors of another size than the model's own, where both tell theirs."""
    there, here = config_of_part(path), config_of_part(own)
    for size in _SIZES:
        if size in there and size in here and there[size] != here[size]:
            raise ModelError(
                f"{path} does not fit the model: its {size} is {there[size]}, and the model's is {here[size]}"
            )


def config_of_part(path: Path) -> dict[str, object]:
    """Returns the configuration of a component's folder, or of the one beside a single file; empty: it has none that is read."""
    folder = path if path.is_dir() else path.with_suffix("")
    try:
        found = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _own_class(path: Path) -> tuple[str, str]:
    """Returns the library and class that a component's folder names itself; empty: it names none."""
    for config in CONFIGS:
        try:
            found = json.loads((path / config).read_bytes())
        except OSError:
            continue
        except ValueError as exc:
            raise ModelError(f"{path / config} is no JSON") from exc
        if isinstance(kind := found.get("_class_name"), str):
            return "diffusers", kind
        names = found.get("architectures") or [found.get("tokenizer_class")]
        if isinstance(names, list) and isinstance(names[0], str):
            return "transformers", names[0]
    return "", ""


def _from_hub(source: str, folders: tuple[Path, ...], *, allow_downloads: bool) -> Path:
    """Returns the folder of a component that has a repository of its own.

    Raises:
        ModelError: the name is no hub id, or it is not in the cache and the hub may not be asked or does not give it.
    """
    if not HUB_ID.fullmatch(source):
        raise ModelError(f"no file or folder {source!r} in {listed(folders)}")
    if not allow_downloads:
        for config in CONFIGS:
            if (cached := in_cache(source, config)) is not None:
                return cached
        raise ModelError(f"no {source!r} here or in the hub's local cache, and downloads are off")
    import httpx  # the hub's own client
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(huggingface_hub.snapshot_download(source, allow_patterns=[*_HUB_FILES], ignore_patterns=["*/*"]))
    except (OSError, ValueError, HfHubHTTPError, httpx.HTTPError) as exc:
        raise ModelError(f"no {source!r} here, and the hub did not give it: {exc}") from exc
