"""Snippets: a request with a JSON body as code, a function for each language. They never have the key.

Every value is a literal of its language, so quotes, `$`, backticks and line breaks of a prompt arrive as typed.
"""

import json
import shlex
from collections.abc import Callable, Mapping

from msgspec import Struct

DATA_URI = "data:application/octet-stream;base64,"
"""Beginning of a file as a data URI; the server detects the type from the bytes."""


class File(Struct, frozen=True, kw_only=True):
    """Value that the code reads from a file and sends as a data URI."""

    name: str


Value = str | float | bool | File
Fields = Mapping[str, Value]


def action_body(fields: Fields) -> Fields:
    """Returns the body of the Action API's `generate`."""
    return {"action": "generate", **fields}


def curl(url: str, fields: Fields) -> str:
    """Writes code for any POSIX shell. A file goes through a pipe, because arguments are limited in size."""
    files = {name: value for name, value in fields.items() if isinstance(value, File)}
    plain = {name: value for name, value in fields.items() if name not in files}
    body = json.dumps(plain, ensure_ascii=False, indent=2)
    call = (
        f"curl --silent --show-error {shlex.quote(url)} \\\n"
        '  -H "Authorization: Bearer $IMGEN_KEY" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
    )
    if not files:
        return f"{call}  -d {_shell(body)}\n"
    head = body.removesuffix("\n}")
    parts = [
        f'{{ printf %s {_shell(head)}\n  printf %s \',"{name}":"{DATA_URI}\'\n'
        f"  base64 < {_shell(file.name)}\n  printf %s '\"'\n"
        for name, file in files.items()
    ]
    return f"{''.join(parts)}  printf %s '}}'\n}} | {call}  -d @-\n"


def python(url: str, fields: Fields) -> str:
    """Writes Python code with the standard library only."""

    def literal(value: Value) -> str:
        if isinstance(value, File):
            return f"{DATA_URI!r} + base64.b64encode(Path({value.name!r}).read_bytes()).decode()"
        return repr(value)

    has_file = any(isinstance(value, File) for value in fields.values())
    imports = ["import base64"] * has_file + ["import json", "import os", "import urllib.request"]
    imports += ["from pathlib import Path"] * has_file
    lines = [f'    "{name}": {literal(value)},' for name, value in fields.items()]
    return "\n".join(
        [
            *imports,
            "",
            "body = {",
            *lines,
            "}",
            "request = urllib.request.Request(",
            f"    {url!r},",
            "    json.dumps(body).encode(),",
            '    {"Authorization": "Bearer " + os.environ["IMGEN_KEY"], "Content-Type": "application/json"},',
            ")",
            "with urllib.request.urlopen(request) as answer:",
            "    print(answer.read().decode())",
            "",
        ]
    )


def javascript(url: str, fields: Fields) -> str:
    """Writes an ES module for Node 18 or newer."""

    def literal(value: Value) -> str:
        if isinstance(value, File):
            return f'{_json(DATA_URI)} + (await readFile({_json(value.name)})).toString("base64")'
        return _json(value)

    has_file = any(isinstance(value, File) for value in fields.values())
    lines = [f"  {name}: {literal(value)}," for name, value in fields.items()]
    return "\n".join(
        [
            *['import { readFile } from "node:fs/promises";', ""] * has_file,
            "const body = {",
            *lines,
            "};",
            f"const answer = await fetch({_json(url)}, {{",
            '  method: "POST",',
            '  headers: { Authorization: `Bearer ${process.env.IMGEN_KEY}`, "Content-Type": "application/json" },',
            "  body: JSON.stringify(body),",
            "});",
            "console.log(await answer.text());",
            "",
        ]
    )


def php(url: str, fields: Fields) -> str:
    """Writes PHP 8 code without extensions."""

    def literal(value: Value) -> str:
        if isinstance(value, File):
            return f"{_php(DATA_URI)} . base64_encode(file_get_contents({_php(value.name)}))"
        return _php(value) if isinstance(value, str) else _json(value)

    lines = [f"    '{name}' => {literal(value)}," for name, value in fields.items()]
    return "\n".join(
        [
            "<?php",
            "$body = [",
            *lines,
            "];",
            "$options = ['http' => [",
            "    'method' => 'POST',",
            "    'header' => ['Authorization: Bearer ' . getenv('IMGEN_KEY'), 'Content-Type: application/json'],",
            "    'content' => json_encode($body),",
            "    'ignore_errors' => true,",
            "]];",
            f"echo file_get_contents({_php(url)}, false, stream_context_create($options)), PHP_EOL;",
            "",
        ]
    )


LANGUAGES: Mapping[str, tuple[str, Callable[[str, Fields], str]]] = {
    "curl": ("curl", curl),
    "python": ("Python", python),
    "javascript": ("JavaScript", javascript),
    "php": ("PHP", php),
}
"""Key → label and function."""
APIS: Mapping[str, str] = {"action": "Action API", "forge": "Forge", "openai": "OpenAI images"}
"""Key → label of the APIs that a request can be written for."""


def in_each_language(url: str, body: Fields) -> dict[str, tuple[str, str]]:
    """Returns language → label and code."""
    return {key: (label, write(url, body)) for key, (label, write) in LANGUAGES.items()}


def _json(value: str | float) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shell(text: str) -> str:
    """Quotes a text in single quotes for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _php(text: str) -> str:
    """Quotes a text in single quotes; in double ones with escapes if it has unprintable characters."""
    if text.isprintable():
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    escapes = {"\n": "\\n", "\t": "\\t", "\\": "\\\\", '"': '\\"', "$": "\\$"}
    return '"' + "".join(escapes.get(one, one if one.isprintable() else f"\\u{{{ord(one):x}}}") for one in text) + '"'
