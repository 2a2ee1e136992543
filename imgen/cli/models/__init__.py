"""Command `imgen models`: lists models, and adds one of the operator's own."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from imgen import composition, settings
from imgen.cli import cli_audit
from imgen.cli.doctor import weights
from imgen.cli.models.entry import appended, entry, with_default, write
from imgen.cli.models.remote import Asked, add_remote
from imgen.cli.models.trial import TrialSize, check_loras, trial_render
from imgen.cli.options import Data
from imgen.configuration import load_catalog
from imgen.domain.catalog import SIZES, Catalog, Model
from imgen.domain.engine_options import RemoteOptions
from imgen.domain.errors import ConfigurationError, ImgenError
from imgen.domain.job import render_queue
from imgen.records import schema
from imgen.settings import Settings
from imgen.settings.layers import read_toml

app = typer.Typer(help="List models, and add one of your own.", no_args_is_help=True)

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@app.command(name="list")
def listed(data: Data = None) -> None:
    """List the configured models, the default one first, and what is wrong with files that the configuration names."""
    loaded = settings.load(data)
    for model in load_catalog(loaded).models.values():
        typer.echo(f"{model.key:<16} {model.label:<20} {_origin(model)}")
    for name, found in (weights.models_found(loaded) | weights.upscalers_found(loaded)).items():
        if isinstance(found, ImgenError):
            typer.echo(f"imgen: {name}: {found}", err=True)


@app.command()
def add(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="A folder in diffusers' layout, a .safetensors file, or a hub id. With --engine: what requests call it."
        ),
    ],
    *,
    key: Annotated[str, typer.Option("--as", help="What requests call it.", show_default=False)] = "",
    label: Annotated[str, typer.Option(help="What people call it.", show_default=False)] = "",
    steps: Annotated[int, typer.Option(help="Default steps; 0: as usual for its kind.", show_default=False, min=0)] = 0,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="A component not to load, such as text_encoder_3; may be repeated.")
    ] = None,
    component: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH: a component of its own, such as vae=my-vae.safetensors; may be repeated."),
    ] = None,
    scheduler_option: Annotated[
        list[str] | None,
        typer.Option(help="KEY=VALUE: an argument of its scheduler, such as use_karras_sigmas=true; may be repeated."),
    ] = None,
    is_compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the blocks that its denoiser repeats.")
    ] = False,
    is_default: Annotated[
        bool, typer.Option("--default", help="Make it the model of requests that name none.")
    ] = False,
    download: Annotated[bool, typer.Option("--download", help="Fetch a hub id now.")] = False,
    engine: Annotated[
        list[str] | None,
        typer.Option(help="An engine of engines.toml that draws it elsewhere; repeated: in that order."),
    ] = None,
    model_name: Annotated[
        list[str] | None,
        typer.Option("--model", help="The engine's own name of it; repeated: one for each engine."),
    ] = None,
    takes: Annotated[
        str, typer.Option(help="Parameters that the engines take, such as seed,steps.", show_default=False)
    ] = "",
    edits: Annotated[
        str, typer.Option(help="image or mask, if the engines draw from a source.", show_default=False)
    ] = "",
    workflow: Annotated[str, typer.Option(help="File of a ComfyUI workflow.", show_default=False)] = "",
    node: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=INPUT of the workflow, such as prompt=6.text; of several with commas; may be repeated."
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUE: a further field of the engines' requests, such as quality=high; may be repeated."
        ),
    ] = None,
    is_tried: Annotated[
        bool, typer.Option("--trial/--no-trial", help="Have each engine draw one picture, which may be paid.")
    ] = True,
    is_agreed: Annotated[bool, typer.Option("--yes", help="Do not ask before pictures that may be paid.")] = False,
    data: Data = None,
) -> None:
    """Check that a model is safetensors only and loads, make one picture with it, and write it into <data>/models.toml.

    With --engine: ask the engines for their models, have each draw one picture, and write the entry.
    """
    loaded, console = settings.load(data), Console(highlight=False, soft_wrap=True)
    own = loaded.data_dir / "models.toml"
    catalog = load_catalog(loaded)
    key = key or (source if engine else "")
    _refuse_name(key, label, catalog, own)
    size = context.find_object(TrialSize) or TrialSize(*SIZES[0])
    if engine:
        added = add_remote(
            loaded,
            key,
            label or key.title(),
            Asked(
                engines=tuple(engine),
                models=tuple(model_name or ()),
                takes=takes,
                edits=edits,
                workflow=workflow,
                nodes={name: _targets(text) for name, text in _pairs("--node", node).items()},
                options={name: _value(text) for name, text in _pairs("--option", option).items()},
            ),
            steps=steps,
            size=size,
            is_tried=is_tried,
            is_agreed=is_agreed,
        )
        for name, picture, seconds in added.pictures:
            console.print(
                f"{escape(name)}: {size.width}×{size.height} in {seconds:.1f} s: [bold]{escape(str(picture))}[/]"
            )
        _write(loaded, added.model, console, is_default=is_default)
        return
    asked = {
        "label": label or key.title(),
        "source": _source_name(source, loaded),
        "leave_out": tuple(leave_out or ()),
        "components": {name: _source_name(path, loaded) for name, path in _pairs("--component", component).items()},
        "scheduler_options": {
            name: _value(text) for name, text in _pairs("--scheduler-option", scheduler_option).items()
        },
        "compile": "regional" if is_compiled else "",
    }
    console.print(f"Loading {escape(source)}")
    model, picture, seconds = trial_render(loaded, key, asked, steps, size=size, download=download)
    check_loras(loaded, catalog, model)
    console.print(
        f"{model.steps.default} steps at {size.width}×{size.height} in {seconds:.1f} s: [bold]{escape(str(picture))}[/]"
    )
    if seconds > model.time_limit_s:
        console.print(
            f"A worker may take {model.time_limit_s} s for a picture: on this machine its jobs would time out."
        )
    _write(loaded, model, console, is_default=is_default)


def _origin(model: Model) -> str:
    """Returns the source of a model's weights, or the engines that draw it."""
    if isinstance(model.engine, RemoteOptions):
        return f"by {', '.join(dict.fromkeys(choice.engine for choice in model.engine.engines))}"
    return model.source


def _targets(text: str) -> str | tuple[str, ...]:
    """Returns the inputs of a workflow that one value goes into."""
    found = tuple(text.split(","))
    return found if len(found) > 1 else text


def _write(loaded: Settings, model: Model, console: Console, *, is_default: bool) -> None:
    """Writes the entry, and tells all that is left to do."""
    own = loaded.data_dir / "models.toml"
    texts = {own: appended(own, entry(model))}
    if is_default:
        texts |= {(path := loaded.data_dir / "imgen.toml"): with_default(path, model.key)}
    with _audited_write(loaded, model, is_default=is_default):
        write(texts)
    used = next(iter(load_catalog(settings.load(loaded.data_dir)).models))
    console.print(f"Written into {escape(str(own))}{' and made the default' if is_default else ''}.", end=" ")
    if is_default and used != model.key:
        console.print(f"IMGEN_DEFAULT_MODEL goes before it, and says {used}.", end=" ")
    console.print(_what_is_left(model, own, is_default=is_default))


def _what_is_left(model: Model, own: Path, *, is_default: bool) -> str:
    """Describes all that is to be done before the model draws."""
    key = model.key
    files = f"{own.with_name('engines.toml')}" if model.is_remote else "the model's files"
    steps = [
        f"{own} and {files} must be on each machine that has an API process or a worker, under the same names.",
        *(["The engines' keys must be in the environment of the workers."] if model.is_remote else []),
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
    told: dict[str, object] = {"name": model.key, "after": {"source": _origin(model), "default": is_default}}
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


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    """Splits `NAME=VALUE` of an option that may be repeated.

    Raises:
        ConfigurationError: one has no name or no value, or a name is there twice.
    """
    pairs: dict[str, str] = {}
    for text in given or ():
        name, _, value = text.partition("=")
        if not name.replace(".", "_").strip() or not value:
            raise ConfigurationError(f"{option} {text}: it has to be NAME=VALUE")
        if name in pairs:
            raise ConfigurationError(f"{option} {text}: {name} is given twice")
        pairs[name] = value
    return pairs


def _value(text: str) -> object:
    """Returns a value in TOML's notation, such as `3.0` or `true`; any other text is a text."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = found["value"]
    return value if found.keys() == {"value"} and isinstance(value, bool | int | float | str | list) else text
