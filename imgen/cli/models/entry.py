"""Entry of a new model: its table for models.toml, and files that are replaced as a whole."""

import json
import re
import tomllib
from pathlib import Path

from imgen.domain.catalog import Model, model_table
from imgen.domain.errors import ConfigurationError


def entry(model: Model) -> str:
    """Formats the model as a table of models.toml."""
    table = model_table(model)
    asked = ("scheduler_options", "leave_out", "components", "compile", "call")
    where = ("backend",) if model.is_remote else ("source", *asked)
    names = ("label", *where, "base_negative", "steps", "guidance", "time_limit_s")
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
    for choice in table.get("engines", ()):
        lines += [
            "",
            f"[[{model.key}.engines]]",
            *(f"{name} = {_toml(value)}" for name, value in choice.items() if value),
        ]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """Formats a value in TOML's notation, which is JSON's but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_name(name)} = {_toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _name(name: str) -> str:
    """Formats a key, such as ComfyUI's `4.ckpt_name`, which TOML would take for a table's."""
    return name if name.isidentifier() and name.isascii() else json.dumps(name, ensure_ascii=False)


def appended(path: Path, text: str) -> str:
    """Returns the file's text with this at its end."""
    before = path.read_text("utf-8").rstrip() + "\n\n" if path.is_file() else ""
    return before + text


def with_default(path: Path, key: str) -> str:
    """Returns the file's text with this `default_model`, before the first table."""
    text = path.read_text("utf-8") if path.is_file() else ""
    line = f'default_model = "{key}"'
    head, bracket, tables = text.partition("\n[") if not text.startswith("[") else ("", "", "\n" + text)
    found, number = re.subn(r"(?m)^[ \t]*default_model\s*=.*$", line, head)
    return (found if number else f"{line}\n{head}") + bracket + tables


def write(texts: dict[Path, str]) -> None:
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
