"""Remote engine: one entry of engines.toml, a server elsewhere that draws, and its state. Values only."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from imgen.domain.errors import RemoteKeyRefused

Kind = Literal["openai", "comfyui", "runpod", "workersai", "gemini"]
BASE_URLS: dict[str, str] = {
    "openai": "https://api.openai.com/v1",
    "comfyui": "http://127.0.0.1:8188",
    "runpod": "https://api.runpod.ai/v2",
    "gemini": "https://generativelanguage.googleapis.com",
}
"""Kind → base URL of an entry that has none. Workers AI's has the account's id in it, so it has to be given."""
MICROS = 1_000_000
"""Amounts are whole millionths of the operator's currency: sums of them are exact."""

MAX_PRICE = 1_000_000
"""Highest price of a picture; a month's sum of such has to be an integer of the database."""


class RemoteEngine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Remote engine. `key` is the table's name."""

    key: str
    kind: Kind
    """Protocol that it speaks; `openai`: OpenAI's images, as OpenAI, SGLang-Diffusion and vLLM-Omni serve them."""
    base_url: str = ""
    """URL that the protocol's paths are added to, such as `https://api.openai.com/v1`; it may be a private one."""
    api_key_env: Annotated[str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")] = ""
    """Environment variable of the workers that holds the key; empty: the engine wants none."""
    timeout_s: Annotated[float, Meta(gt=0, le=500)] = 120
    """Longest time of a picture, from the call to its whole answer."""
    connect_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5
    """Longest time for a connection; an engine that takes longer is down, and the model's next one draws."""
    calls: Annotated[int, Meta(ge=1, le=256)] = 8
    """Pictures that each worker process has it draw at once."""
    pause_s: Annotated[float, Meta(gt=0, le=3600)] = 20
    """Pause of an engine that is down; then it is asked again."""
    price: Annotated[float, Meta(ge=0, le=MAX_PRICE)] = 0
    """Price of a picture, in the operator's currency."""
    monthly_cap: Annotated[float, Meta(ge=0, le=MAX_PRICE * 1000)] | None = None
    """Spending of a calendar month (UTC) at which the engine is switched off; None: there is no cap."""

    def __post_init__(self) -> None:
        """Raises ValueError if the base URL is none of http or https or holds a password, or a variable is a setting's."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url {self.base_url!r} is no http or https URL")
        if self.api_key_env.startswith("IMGEN_"):
            raise ValueError("api_key_env begins with IMGEN_, as variables of settings do; choose another name")
        if "@" in parts.netloc:
            raise ValueError("base_url holds a user or password; name the key's variable in api_key_env")

    @property
    def url(self) -> str:
        """Base URL without a slash at its end; the kind's own where the entry has none."""
        return (self.base_url or BASE_URLS.get(self.kind, "")).rstrip("/")

    @property
    def host(self) -> str:
        """Host and, where the URL has one, port."""
        return urlsplit(self.url).netloc

    @property
    def cap_micros(self) -> int | None:
        """Cap of a month in millionths; None: there is none."""
        return None if self.monthly_cap is None else micros(self.monthly_cap)


class EngineState(Struct, frozen=True, kw_only=True):
    """State of a remote engine as one worker process knows it."""

    reason: str = ""
    """Reason why it takes no work; empty: it has answered the latest call, or none was made yet."""
    code: str = ""
    """Code of the error that told of it."""
    since: float | None = None
    """Unix time at which it began; None: at the start of the process."""
    until: float | None = None
    """Unix time at which a job asks it again; None: once the operator has mended it."""

    @property
    def is_refused(self) -> bool:
        """Whether it is the key that is wrong or not set."""
        return self.code == RemoteKeyRefused.code

    def takes_no_work(self, now: float) -> bool:
        """Returns whether it takes none at a time: a pause counts until its end, a refused key until the engine takes one."""
        return bool(self.reason) and (self.is_refused or (self.until is not None and self.until > now))


def amount_text(amount_micros: int) -> str:
    """Returns an amount as text, exactly, with two decimals or as many as it has: `1,234.50`, `0.003`."""
    whole, _, part = f"{abs(amount_micros) / MICROS:,.6f}".partition(".")
    return f"{'-' if amount_micros < 0 else ''}{whole}.{part.rstrip('0'):0<2}"


def micros(amount: float) -> int:
    """Returns an amount in whole millionths."""
    return round(amount * MICROS)


def parse_remote_engine(key: str, table: Mapping[str, object]) -> RemoteEngine:
    """Builds a remote engine from its table.

    Raises:
        msgspec.ValidationError: a field is missing, unknown or wrong; the message names its path.
    """
    return msgspec.convert({**table, "key": key}, RemoteEngine)
