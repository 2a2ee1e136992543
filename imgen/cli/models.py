"""Command `imgen models`: lists models, and adds one of the operator's own."""

import json
import re
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from imgen import composition, settings
from imgen.cli import cli_audit
from imgen.cli.doctor import weights
from imgen.cli.options import Data
from imgen.configuration import load_catalog
from imgen.domain.catalog import SIZES, Catalog, DiffusersOptions, Model, Style, model_table, parse_model
from imgen.domain.errors import ConfigurationError, ImgenError, PictureFlagged
from imgen.domain.job import render_queue
from imgen.domain.recipe import Diffusion
from imgen.records import schema
from imgen.settings import Settings
from imgen.settings.layers import read_toml
from imgen.weights.lookup import in_order

app = typer.Typer(help="List models, and add one of your own.", no_args_is_help=True)

PROMPT = "a woman in a red coat, on a beach, warm lighting"
SEED = 1
STYLES = {
    "professional": Style(label="Professional", quality_tags="sharp focus, balanced composition"),
    "cinematic": Style(label="Cinematic", quality_tags="cinematic light, wide shot", negative_extra="flat light"),
}
SLOWER_AT_WORST = 4
"""Ratio of the time limit to the trial's time: another size, more steps, a busy machine."""
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class TrialSize(NamedTuple):
    """Pixels of the picture that a new model is tried with."""

    width: int
    height: int


@app.command(name="list")
def listed(data: Data = None) -> None:
    """List the configured models, the default one first, and what is wrong with files that the configuration names."""
    loaded = settings.load(data)
    for model in load_catalog(loaded).models.values():
        typer.echo(f"{model.key:<16} {model.label:<20} {model.source}")
    for name, found in (weights.models_found(loaded) | weights.upscalers_found(loaded)).items():
        if isinstance(found, ImgenError):
            typer.echo(f"imgen: {name}: {found}", err=True)


@app.command()
def add(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A folder in diffusers' layout, a .safetensors file, or a hub id.")],
    *,
    key: Annotated[str, typer.Option("--as", help="What requests call it.")],
    label: Annotated[str, typer.Option(help="What people call it.", show_default=False)] = "",
    steps: Annotated[int, typer.Option(help="Default steps; 0: as usual for its kind.", show_default=False, min=0)] = 0,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="A component not to load, such as text_encoder_3; may be repeated.")
    ] = None,
    is_default: Annotated[
        bool, typer.Option("--default", help="Make it the model of requests that name none.")
    ] = False,
    download: Annotated[bool, typer.Option("--download", help="Fetch a hub id now.")] = False,
    data: Data = None,
) -> None:
    """Check that a model is safetensors only and loads, make one picture with it, and write it into <data>/models.toml."""
    loaded, console = settings.load(data), Console(highlight=False, soft_wrap=True)
    own = loaded.data_dir / "models.toml"
    catalog = load_catalog(loaded)
    _refuse_name(key, label, catalog, own)
    console.print(f"Loading {escape(source)}")
    named = {"label": label or key.title(), "source": _source_name(source, loaded)}
    size = context.find_object(TrialSize) or TrialSize(*SIZES[0])
    model, picture, seconds = _trial_render(
        loaded, key, named, steps, leave_out=tuple(leave_out or ()), size=size, download=download
    )
    _check_loras(loaded, catalog, model)
    texts = {own: _appended(own, _entry(model))}
    if is_default:
        texts |= {(path := loaded.data_dir / "imgen.toml"): _with_default(path, key)}
    with _audited_write(loaded, model, is_default=is_default):
        _write(texts)
    used = next(iter(load_catalog(settings.load(data)).models))
    console.print(
        f"{model.steps.default} steps at {size.width}×{size.height} in {seconds:.1f} s: [bold]{escape(str(picture))}[/]"
    )
    if seconds > model.time_limit_s:
        console.print(
            f"A worker may take {model.time_limit_s} s for a picture: on this machine its jobs would time out."
        )
    console.print(f"Written into {escape(str(own))}{' and made the default' if is_default else ''}.", end=" ")
    if is_default and used != key:
        console.print(f"IMGEN_DEFAULT_MODEL goes before it, and says {used}.", end=" ")
    console.print(_what_is_left(key, own, is_default=is_default))


def _what_is_left(key: str, own: Path, *, is_default: bool) -> str:
    """Describes all that is to be done before the model draws."""
    steps = [
        f"{own} and the model's files must be on each machine that has an API process or a worker, under the same names.",
        "API processes and workers know the model once the configuration is read again: the panel's Catalog page, or a restart.",
        f"A worker serves only the queues on its command line; start one: imgen worker --queues {render_queue(key)}",
        *(["The default is read when an API process starts: restart each."] if is_default else []),
    ]
    numbered = "\n".join(f"  {number}. {escape(step)}" for number, step in enumerate(steps, 1))
    return f"\nTo use it with `imgen up`, restart that. In production:\n{numbered}"


def _refuse_name(key: str, label: str, catalog: Catalog, own: Path) -> None:
    """Refuses a key or label before the model is loaded, which takes minutes.

    Raises:
        ConfigurationError: the key or the label could not be written, or another model has the key.
    """
    if not _KEY.fullmatch(key):
        raise ConfigurationError(f"{key!r} is no key: small letters, digits, - and _, 40 at most")
    if not label.isprintable():
        raise ConfigurationError(f"{label!r} is no label: it has characters that cannot be shown")
    if key in catalog.models:
        where = own if own.is_file() and key in read_toml(own) else "what ships"
        raise ConfigurationError(f"there is a model {key!r} already, in {where}; take another name")


@contextmanager
def _audited_write(loaded: Settings, model: Model, *, is_default: bool) -> Iterator[None]:
    """Adds an audit row for the block's writes, in one transaction with them."""
    told: dict[str, object] = {"name": model.key, "after": {"source": model.source, "default": is_default}}
    database = composition.open_database(loaded)
    try:
        if schema.pending(database):
            schema.upgrade(database)
        with database.write() as connection:
            cli_audit.note(connection, "added model", subject=model.key, detail=told)
            yield
    finally:
        database.close()


def _source_name(source: str, loaded: Settings) -> str:
    """Returns the source for models.toml: relative in <data>/models, absolute elsewhere on disk, else a hub id.

    Absolute, too, where a relative name would be that of shipped weights.
    """
    path = Path(source)
    if not path.exists():
        return source
    folder = loaded.model_folders[0].resolve()
    if path.resolve().is_relative_to(folder):
        name = path.resolve().relative_to(folder)
        if not (loaded.config_dir / name).exists():
            return str(name)
    return str(path.resolve())


def _trial_render(
    loaded: Settings,
    key: str,
    named: dict[str, str],
    steps: int,
    *,
    leave_out: tuple[str, ...],
    size: TrialSize,
    download: bool,
) -> tuple[Model, Path, float]:
    """Renders one picture with the model. Returns its entry, the picture's path and the seconds; writes only the picture."""
    from PIL import Image

    from workers import engines  # the API's package never imports workers, but this command does their work
    from workers.engines.diffusers.model_files import absent_components
    from workers.engines.diffusers.placement import place

    allowed = download or loaded.workers.allow_downloads
    folders = loaded.model_folders
    is_half = place(key, DiffusersOptions()).is_half
    absent = absent_components(named["source"], folders, allow_downloads=allowed, leave_out=leave_out, is_half=is_half)
    kinds = read_toml(loaded.config_dir / "architectures.toml")

    def model_of(kind: dict[str, Any], **more: object) -> Model:
        table = {**named, "leave_out": absent, **kind, **more}
        return parse_model(key, table | {"styles": STYLES, "default_style": next(iter(STYLES))})

    context = engines.EngineContext(folders=folders, allow_downloads=allowed)
    engine = engines.load(model_of(kinds["other"], call={}), context)
    kind = kinds.get(engine.architecture, kinds["other"])
    if steps:
        least, most = min(steps, kind["steps"]["min"]), max(steps, kind["steps"]["max"])
        kind |= {"steps": {"default": steps, "min": least, "max": most}}
    model = model_of(kind)
    asked = Diffusion(
        positive=PROMPT,
        negative=model.base_negative,
        width=size.width,
        height=size.height,
        seed=SEED,
        num_inference_steps=model.steps.default,
        guidance_scale=model.guidance.default,
    )
    with Progress(transient=True) as bar:
        task = bar.add_task(f"{engine.architecture}: one picture", total=None)
        started = time.monotonic()
        (drawn,) = engine.render(
            [engines.Shot(diffusion=asked)],
            lambda done, total, _preview: bar.update(task, completed=done, total=total),
        )
        seconds = time.monotonic() - started
    engine.unload()
    if isinstance(drawn, PictureFlagged):
        raise drawn
    picture = loaded.data_dir / "models" / f"{model.key}.trial.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn.pixels).save(picture)
    limit_s = max(model.time_limit_s, round(SLOWER_AT_WORST * seconds))
    return model_of(kind, time_limit_s=min(limit_s, loaded.workers.longest_render_s)), picture, seconds


def _check_loras(loaded: Settings, catalog: Catalog, model: Model) -> None:
    """Checks the LoRA files that characters.toml has for the model already.

    Raises:
        ModelError: one is missing, is of an unknown kind or does not fit the model.
    """
    from workers.engines.diffusers.lora_check import check_fit
    from workers.engines.diffusers.model_files import find_lora, find_model

    names = [character.loras[model.key] for character in catalog.characters.values() if model.key in character.loras]
    for name in names:
        left_out = model.engine.leave_out if isinstance(model.engine, DiffusersOptions) else ()
        folder = find_model(model.source, loaded.model_folders, allow_downloads=False, leave_out=left_out)
        path = find_lora(name, in_order(name, loaded.model_folders, catalog.shipped))
        check_fit(path, folder, leave_out=left_out)


def _entry(model: Model) -> str:
    """Formats the model as a table of models.toml."""
    table = model_table(model)
    names = ("label", "source", "leave_out", "call", "base_negative", "steps", "guidance", "time_limit_s")
    lines = [
        f"[{model.key}]",
        *(f"{name} = {_toml(table[name])}" for name in names if table[name] or name == "base_negative"),
        *(() if model.negative_prompt else ("negative_prompt = false",)),
    ]
    lines.append(f"default_style = {_toml(model.default_style)}")
    for name, style in table["styles"].items():
        lines += [
            "",
            f"[{model.key}.styles.{name}]",
            *(f"{word} = {_toml(value)}" for word, value in style.items() if value),
        ]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """Formats a value in TOML's notation, which is JSON's but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _appended(path: Path, text: str) -> str:
    before = path.read_text("utf-8").rstrip() + "\n\n" if path.is_file() else ""
    return before + text


def _with_default(path: Path, key: str) -> str:
    """Returns the file's text with this `default_model`, before the first table."""
    text = path.read_text("utf-8") if path.is_file() else ""
    line = f'default_model = "{key}"'
    head, bracket, tables = text.partition("\n[") if not text.startswith("[") else ("", "", "\n" + text)
    found, number = re.subn(r"(?m)^[ \t]*default_model\s*=.*$", line, head)
    return (found if number else f"{line}\n{head}") + bracket + tables


def _write(texts: dict[Path, str]) -> None:
    """Replaces each file as a whole, and none before all are checked to be TOML and written beside it.

    Raises:
        ConfigurationError: a file would not be TOML, or cannot be written.
    """
    for path, text in texts.items():
        try:
            tomllib.loads(text)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".part").write_text(text, "utf-8")
        except (OSError, tomllib.TOMLDecodeError) as exc:
            raise ConfigurationError(f"{path} cannot be written: {exc}") from exc
    for path in texts:
        path.with_suffix(".part").replace(path)
