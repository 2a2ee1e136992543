"""Command `imgen generate`: pictures from any server."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from imgen import settings
from imgen.cli import pictures
from imgen.cli.client import Client, ServerError
from imgen.cli.options import Data
from imgen.domain.catalog import SIZES, Size
from imgen.domain.errors import Invalid
from imgen.domain.request import RANGES, UPSCALES
from imgen.stack.lock import running_url


def generate(
    prompt: Annotated[str, typer.Argument(help="What to draw: terms, @character, -unwanted.")],
    *,
    url: Annotated[
        str,
        typer.Option(
            envvar="IMGEN_URL", help="URL of the server; default: the one that runs over --data.", show_default=False
        ),
    ] = "",
    key: Annotated[str, typer.Option(envvar="IMGEN_KEY", help="The API key; better in the environment.")] = "",
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out"),
    model: Annotated[str, typer.Option(help="Model; default: the server's first.")] = "",
    style: Annotated[str, typer.Option(help="Style; default: the model's.")] = "",
    negative: Annotated[str, typer.Option(help="More of what must not be seen.")] = "",
    size: Annotated[
        str,
        typer.Option(
            help="Width × height: "
            + ", ".join(f"{w}x{h}" for w, h in SIZES)
            + ", unless the model has its own. Default: the first; with --image the one nearest to its shape.",
            show_default=False,
        ),
    ] = "",
    image: Annotated[
        str, typer.Option(help="A picture to start from: a file, or the id of an upload or of a job.")
    ] = "",
    mask: Annotated[
        Path | None,
        typer.Option(
            help="With --image: a file, white where it is redrawn, black where it is kept.", show_default=False
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="With --image: how far the picture may leave it; default: 0.6.", show_default=False
        ),
    ] = None,
    upscale: Annotated[int, typer.Option(help="Enlarge the picture: 1, 2 or 4 times.")] = 1,
    image_format: Annotated[str, typer.Option("--format", help="jpeg, png, webp or avif.")] = "jpeg",
    quality: Annotated[int, typer.Option(help="1–100.")] = 95,
    seed: Annotated[int | None, typer.Option(help="For the same picture again.", show_default=False)] = None,
    count: Annotated[
        int, typer.Option(min=1, max=int(RANGES["n"].high), help="Number of pictures, with seeds one after another.")
    ] = 1,
    data: Data = None,
    optimize: Annotated[bool, typer.Option("--optimize", help="Let the server improve the prompt.")] = False,
) -> None:
    """Make pictures and save them. Needs a running server and a key (IMGEN_KEY)."""
    if not key:
        raise ServerError("No key: set IMGEN_KEY or give --key (imgen keys create NAME makes one)")
    fields: dict[str, object] = {"prompt": prompt, "negative": negative}
    fields |= {"format": image_format, "quality": quality, "optimize": optimize}
    if upscale not in UPSCALES:
        raise Invalid(f"--upscale is {', '.join(map(str, UPSCALES[:-1]))} or {UPSCALES[-1]}")
    if not image and (mask is not None or strength is not None):
        raise Invalid("--mask and --strength need an --image")
    if size:
        fields["width"], fields["height"] = _parse_size(size)
    inputs = _read_inputs(image, mask)
    if strength is not None:
        fields["image_strength"] = strength
    if upscale > 1:
        fields["upscale"] = upscale
    if count > 1:
        fields["n"] = count
    fields |= {
        name: value for name, value in {"model": model, "style": style, "seed": seed}.items() if value not in ("", None)
    }
    console = Console(stderr=True)
    client = Client(url or _local_url(data), key)
    try:
        _refuse_repaired(client, model, _parse_size(size) if size else None)
        sent = {name: pictures.send(client, picture) for name, picture in inputs.items()}
        job = client.call("generate", **fields, **sent)
        if repaired := job.get("warnings"):
            console.print(f"Replaced or without effect: {', '.join(repaired)}", style="yellow")
        _save_all(client, job, console, out)
    finally:
        client.close()


def _save_all(client: Client, job: dict[str, Any], console: Console, out: Path) -> None:
    """Waits for each picture of an answer, saves it and prints its files.

    Raises:
        ServerError: some pictures were not made; the others are saved.
    """
    ids, missing = job.get("ids", [job["id"]]), list[str]()
    for job_id in ids:
        answer = client.wait(job | {"id": job_id}, console)
        if "meta" not in answer:
            missing.append(answer.get("error", answer["status"]))
            continue
        for path in client.download(answer, out):
            typer.echo(path)
    if missing:
        reasons = "; ".join(dict.fromkeys(missing))
        raise ServerError(reasons if len(ids) == 1 else f"{len(missing)} of {len(ids)} pictures are missing: {reasons}")


def _read_inputs(image: str, mask: Path | None) -> dict[str, bytes | str]:
    """Reads source and mask, by their fields.

    Raises:
        Invalid: a file cannot be used.
    """
    inputs: dict[str, bytes | str] = {"image": pictures.file_or_id(image)} if image else {}
    return inputs if mask is None else inputs | {"mask": pictures.read(mask)}


def _refuse_repaired(client: Client, model: str, size: Size | None) -> None:
    """Refuses a model or a size that the server would replace; without a model it is not asked about a usual size.

    Raises:
        ServerError: the server does not know the model.
        Invalid: the model does not draw the size.
    """
    if not model and (size is None or size in SIZES):
        return
    known = client.call("models")["models"]
    if model and model not in known:
        added = "A model that was just added is known once the configuration is read again (panel, Catalog)"
        raise ServerError(f"The server knows no model {model!r}; it has {', '.join(known)}. {added}")
    entry = known[model] if model else next(iter(known.values()))
    sizes = [(width, height) for width, height in entry.get("sizes", SIZES)]
    if size is not None and size not in sizes:
        raise Invalid(f"No size {_written(size)}; choose one of {', '.join(map(_written, sizes))}")


def _written(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _parse_size(text: str) -> Size:
    """Parses `1344x768`.

    Raises:
        Invalid: it is no pair of numbers.
    """
    found = re.fullmatch(r"([1-9]\d{1,4})x([1-9]\d{1,4})", text.lower().replace("×", "x").replace(" ", ""), re.ASCII)
    if found is None:
        raise Invalid(f"No size {text!r}; choose one of {', '.join(map(_written, SIZES))}, or one of the model's own")
    return int(found[1]), int(found[2])


def _local_url(data: Data) -> str:
    """Returns the URL of the stack that runs over the data folder, else of one that would."""
    loaded = settings.load(data)
    return running_url(loaded.data_dir) or loaded.public_url
