"""`imgen models`: the way from the starter to the operator's own model."""

import json
import re
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from imgen import composition, settings
from imgen.cli import audited
from imgen.cli.options import Data
from imgen.domain.catalog import SIZES, Model, Style
from imgen.domain.errors import ConfigurationError
from imgen.domain.recipe import Diffusion
from imgen.records import schema
from imgen.settings import Settings, load_catalog, read_toml

app = typer.Typer(help="List models, and add one of your own.", no_args_is_help=True)

PROMPT = "a woman in a red coat, on a beach, warm lighting"
SEED = 1
STYLES = {
    "professional": Style(label="Professional", quality_tags="sharp focus, balanced composition"),
    "cinematic": Style(label="Cinematic", quality_tags="cinematic light, wide shot", negative_extra="flat light"),
}
SLOWER_AT_WORST = 4
"""How much longer than the trial a render may take before it is TIMED_OUT: another size, more steps, a busy machine."""
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@app.command(name="list")
def listed(data: Data = None) -> None:
    """List the configured models, the default one first."""
    for model in load_catalog(settings.load(data)).models.values():
        typer.echo(f"{model.key:<16} {model.label:<20} {model.source}")


@app.command()
def add(
    source: Annotated[str, typer.Argument(help="A folder in diffusers' layout, a .safetensors file, or a hub id.")],
    *,
    key: Annotated[str, typer.Option("--as", help="What requests call it.")],
    label: Annotated[str, typer.Option(help="What people call it.", show_default=False)] = "",
    steps: Annotated[int, typer.Option(help="Default steps; 0: as usual for its kind.", show_default=False)] = 0,
    is_default: Annotated[
        bool, typer.Option("--default", help="Make it the model of requests that name none.")
    ] = False,
    download: Annotated[bool, typer.Option("--download", help="Fetch a hub id now.")] = False,
    data: Data = None,
) -> None:
    """Check that a model is safetensors only and loads, make one picture with it, and write it into <data>/models.toml."""
    loaded, console = settings.load(data), Console(highlight=False, soft_wrap=True)
    own = loaded.data_dir / "models.toml"
    if not _KEY.fullmatch(key):
        raise ConfigurationError(f"{key!r} is no key: small letters, digits, - and _, 40 at most")
    if own.is_file() and key in read_toml(own):
        raise ConfigurationError(f"{own} has a model {key!r} already; take another name, or remove it there first")
    console.print(f"Loading {source}")
    model, picture, seconds = _try(
        loaded, _known_as(source, loaded), key, label or key.title(), steps, download=download
    )
    with _noted(loaded, model, is_default=is_default):
        _append(own, _entry(model))
        if is_default:
            _set_default(loaded.data_dir / "imgen.toml", key)
    load_catalog(settings.load(data))
    console.print(f"{model.steps.default} steps at {SIZES[0][0]}×{SIZES[0][1]} in {seconds:.1f} s: [bold]{picture}[/]")
    console.print(f"Written into {own}{' and made the default' if is_default else ''}. Restart `imgen up`, or start")
    console.print(f"`imgen worker --queues render.{key}`, to use it.")


@contextmanager
def _noted(loaded: Settings, model: Model, *, is_default: bool) -> Iterator[None]:
    """A row in the audit for what the block writes."""
    told: dict[str, object] = {"name": model.key, "after": {"source": model.source, "default": is_default}}
    database = composition.open_database(loaded)
    try:
        if schema.pending(database):
            schema.upgrade(database)
        with database.write() as connection:
            audited.note(connection, "added model", subject=model.key, detail=told)
            yield
    finally:
        database.close()


def _known_as(source: str, loaded: Settings) -> str:
    """How models.toml names it: relative where a models folder has it, absolute elsewhere on disk, else a hub id."""
    path = Path(source)
    if not path.exists():
        return source
    for folder in loaded.model_folders:
        if path.resolve().is_relative_to(folder.resolve()):
            return str(path.resolve().relative_to(folder.resolve()))
    return str(path.resolve())


def _try(
    loaded: Settings, source: str, key: str, label: str, steps: int, *, download: bool
) -> tuple[Model, Path, float]:
    """The entry that suits the model, and the picture it made. Writes nothing but that picture."""
    from PIL import Image

    from workers import backends  # the API's package never imports workers, but this command does their work
    from workers.backends.sources import absent_components

    allowed = download or loaded.workers.allow_downloads
    folders = loaded.model_folders
    absent = absent_components(source, folders, allow_downloads=allowed)
    kinds = read_toml(loaded.config_dir / "architectures.toml")

    def model_of(kind: dict[str, Any], **more: object) -> Model:
        given = {"key": key, "label": label, "source": source, "leave_out": absent, **kind, **more}
        return msgspec.convert(given | {"styles": STYLES, "default_style": next(iter(STYLES))}, Model)

    backend = backends.load(model_of(kinds["other"], call={}), folders=folders, allow_downloads=allowed)
    kind = kinds.get(backend.architecture, kinds["other"])
    if steps:
        kind |= {"steps": kind["steps"] | {"default": steps, "min": min(steps, kind["steps"]["min"])}}
    model = model_of(kind)
    width, height = SIZES[0]
    asked = Diffusion(
        positive=PROMPT,
        negative=model.base_negative,
        width=width,
        height=height,
        seed=SEED,
        num_inference_steps=model.steps.default,
        guidance_scale=model.guidance.default,
    )
    with Progress(transient=True) as bar:
        task = bar.add_task(f"{backend.architecture}: one picture", total=None)
        started = time.monotonic()
        pixels = backend.render(asked, lambda done, total, _sketch: bar.update(task, completed=done, total=total))
        seconds = time.monotonic() - started
    backend.unload()
    picture = loaded.data_dir / "models" / f"{key}.trial.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(picture)
    limit_s = max(model.time_limit_s, round(SLOWER_AT_WORST * seconds))
    return model_of(kind, time_limit_s=limit_s), picture, seconds


def _entry(model: Model) -> str:
    """The model as a table of models.toml."""
    said = msgspec.to_builtins(model)
    names = ("label", "source", "leave_out", "call", "base_negative", "steps", "guidance", "time_limit_s")
    lines = [
        f"[{model.key}]",
        *(f"{name} = {_toml(said[name])}" for name in names if said[name] or name == "base_negative"),
    ]
    lines.append(f"default_style = {_toml(model.default_style)}")
    for name, style in said["styles"].items():
        lines += [
            "",
            f"[{model.key}.styles.{name}]",
            *(f"{word} = {_toml(value)}" for word, value in style.items() if value),
        ]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """A value in TOML's notation, which is JSON's but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _append(path: Path, text: str) -> None:
    before = path.read_text("utf-8").rstrip() + "\n\n" if path.is_file() else ""
    _write(path, before + text)


def _set_default(path: Path, key: str) -> None:
    """Sets `default_model`, which stands before the first table."""
    text = path.read_text("utf-8") if path.is_file() else ""
    line = f'default_model = "{key}"'
    head, bracket, tables = text.partition("\n[") if not text.startswith("[") else ("", "", "\n" + text)
    found, number = re.subn(r"(?m)^default_model\s*=.*$", line, head)
    _write(path, (found if number else f"{line}\n{head}") + bracket + tables)


def _write(path: Path, text: str) -> None:
    """All or nothing, and only what is TOML."""
    tomllib.loads(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text, "utf-8")
    part.replace(path)
