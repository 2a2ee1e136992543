"""Remote engine: one entry of engines.toml, a server elsewhere that draws. Values only; configuration.py reads them."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct


class RemoteEngine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Remote engine. `key` is the table's name."""

    key: str
    kind: Literal["openai"]
    """Protocol that it speaks; `openai`: OpenAI's images, as OpenAI, SGLang-Diffusion and vLLM-Omni serve them."""
    base_url: str
    """URL that the protocol's paths are added to, such as `https://api.openai.com/v1`; it may be a private one."""
    api_key_env: Annotated[str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")] = ""
    """Environment variable of the workers that holds the key; empty: the engine wants none."""
    timeout_s: Annotated[float, Meta(gt=0, le=500)] = 120
    """Longest time of a call, with its whole answer."""

    def __post_init__(self) -> None:
        """Raises ValueError if the base URL is none of http or https or holds a password, or a variable is a setting's."""
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url {self.base_url!r} is no http or https URL")
        if self.api_key_env.startswith("IMGEN_"):
            raise ValueError("api_key_env begins with IMGEN_, as variables of settings do; choose another name")
        if "@" in parts.netloc:
            raise ValueError("base_url holds a user or password; name the key's variable in api_key_env")


def parse_remote_engine(key: str, table: Mapping[str, object]) -> RemoteEngine:
    """Builds a remote engine from its table.

    Raises:
        msgspec.ValidationError: a field is missing, unknown or wrong; the message names its path.
    """
    return msgspec.convert({**table, "key": key}, RemoteEngine)
