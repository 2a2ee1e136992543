#!/usr/bin/env python3
"""Makes pictures, or edits one, over the OpenAI images API of an Imgen server, by the unmodified `openai` package.

    pip install openai
    IMGEN_URL=https://imgen.example IMGEN_KEY=imgen_… python3 generate.py [--model M] [--size WxH] [--quality Q] [--format F]
        [--n N] [--seed N] [--strength X] [--image FILE …] [--mask FILE] [--stream] [--out DIR] PROMPT

Progress goes to stderr; each picture is one line of JSON on stdout. Exit codes: 0 saved, 1 error, 3 the review blocked all.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

import openai

BLOCKED = "moderation_blocked"
PARTIALS = 2  # earlier looks at the picture that --stream asks for
EXTRAS = ("seed", "strength")  # fields of Imgen that the package has no argument for


class Arguments(argparse.ArgumentParser):
    """Command line whose errors end the script with code 1."""

    def error(self, message: str) -> NoReturn:
        """Prints the reason and ends the script."""
        say(message)
        sys.exit(1)


def say(text: str) -> None:
    """Writes to stderr: stdout is for the result alone."""
    print(f"imgen: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Runs the script: arguments, request, files. Returns the exit code."""
    asked = arguments()
    url, key = os.environ.get("IMGEN_URL", "").rstrip("/"), os.environ.get("IMGEN_KEY", "")
    if not url or not key or not asked.prompt:
        say("set IMGEN_URL and IMGEN_KEY, and give a prompt")
        return 1
    # The package sends a request again whose answer is lost; the server knows it by its header and makes no second picture.
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=key)
    try:
        Path(asked.out).mkdir(parents=True, exist_ok=True)
        answer = request(client, asked)
        if asked.stream:
            return save_stream(answer, asked.out)
        for number, picture in enumerate(answer.data):
            save(picture.b64_json, answer.output_format, asked.out, number=number, size=answer.size)
    except openai.APIError as error:
        say(f"{error.code or type(error).__name__}: {error.message}")
        return 3 if error.code == BLOCKED else 1
    except OSError as error:
        say(str(error))
        return 1
    return 0


def request(client: openai.OpenAI, asked: argparse.Namespace) -> object:
    """Sends the request: a generation, or an edit if there are source pictures. Returns the package's answer or stream."""
    names = ("model", "size", "quality", "n")
    fields = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    fields["extra_body"] = {name: getattr(asked, name) for name in EXTRAS if getattr(asked, name) is not None}
    fields |= {"prompt": " ".join(asked.prompt), "output_format": asked.format}
    if asked.stream:
        fields |= {"stream": True, "partial_images": PARTIALS}
    if not asked.image:
        return client.images.generate(**fields)
    with contextlib.ExitStack() as files:
        fields["image"] = [files.enter_context(Path(path).open("rb")) for path in asked.image]
        if asked.mask:
            fields["mask"] = files.enter_context(Path(asked.mask).open("rb"))
        return client.images.edit(**fields)


def save_stream(events: object, folder: str) -> int:
    """Saves the finished pictures of a stream as they come, and says which earlier looks came. Returns the exit code."""
    number = 0
    for event in events:
        if event.type.endswith(".partial_image"):
            say(f"partial picture {event.partial_image_index}, {event.size}")
        elif event.type.endswith(".completed"):
            save(event.b64_json, event.output_format, folder, number=number, size=event.size)
            number += 1
    return 0 if number else 1


def save(text: str, file_format: str, folder: str, **more: object) -> None:
    """Writes a picture under its digest and prints its line."""
    data = base64.b64decode(text)
    path = Path(folder) / f"{hashlib.sha256(data).hexdigest()}.{file_format}"
    path.write_bytes(data)
    print(json.dumps({"file": str(path), **more}), flush=True)


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = Arguments(description="Makes pictures over the OpenAI images API of an Imgen server.")
    parser.add_argument("prompt", nargs="*", metavar="PROMPT")
    parser.add_argument("--model")
    parser.add_argument("--size", help="auto, or any WxH: the nearest size of the model is drawn")
    parser.add_argument("--quality", help="low, medium, high or auto")
    parser.add_argument("--format", default="png", choices=("png", "jpeg", "webp", "avif"))
    parser.add_argument("--n", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--strength", type=float, help="with --image: how far the result may leave it, 0 to 1")
    parser.add_argument(
        "--image", action="append", default=[], metavar="FILE", help="a source picture; may be repeated"
    )
    parser.add_argument("--mask", metavar="FILE", help="its transparent pixels are drawn anew")
    parser.add_argument("--stream", action="store_true", help="earlier looks at the picture come while it is drawn")
    parser.add_argument("--out", default=".", metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
