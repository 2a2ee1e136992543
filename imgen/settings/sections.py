"""Sections of the settings, one class for each table of config/imgen.toml, with their defaults."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Http(_Section):
    """Host and port of the API, and limits of requests."""

    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    max_body_mib: float = 12
    read_timeout_s: float = 30
    shutdown_timeout_s: int = 10
    cors_origins: tuple[str, ...] = ()
    processes: int = 1


class DatabaseSettings(_Section):
    """SQL connection; the system of record."""

    url: SecretStr = SecretStr("")
    pool_size: int = 8


class RedisSettings(_Section):
    """Redis connection; its contents may be lost."""

    url: SecretStr = SecretStr("")


class S3Settings(_Section):
    """Bucket for `objects.store = "s3"`."""

    endpoint_url: str = ""
    public_endpoint_url: str = ""
    region: str = "us-east-1"
    bucket: str = ""
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    addressing: Literal["path", "virtual", "auto"] = "auto"
    prefix: str = ""


class Objects(_Section):
    """Object store of the pictures."""

    store: str = "disk"
    folder: str = ""
    url_expires_s: int = 3600
    s3: S3Settings = S3Settings()


class Jobs(_Section):
    """Limits and times of jobs: queue, lease, retries, retention."""

    max_queued: int = 10_000
    max_prompt_chars: int = 10_000
    deadline_s: float = 3600
    lease_s: float = 15
    reconcile_s: float = 2
    max_attempts: int = 3
    retry_pauses_s: tuple[float, ...] = (1, 5)
    keep_jobs_days: float = 90
    keep_pictures_days: float = 30


class Upstream(_Section):
    """OpenAI-compatible endpoint: base URL, key, model, time-out, and pause of its circuit breaker."""

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    timeout_s: float = 15
    pause_s: float = 20


class Enhancer(Upstream):
    """Chat endpoint behind `optimize`; without a base URL the built-in, rule-based enhancer answers."""

    max_chars: int = 1500


class Review(Upstream):
    """Reviewers of pictures; pauses while they do not answer; penalties for blocked pictures."""

    reviewers: tuple[str, ...] = ("rules",)
    moderation_model: str = "omni-moderation-latest"
    first_pause_s: float = 2
    longest_pause_s: float = 120
    give_up_s: float = 900
    free_blocks: int = 20
    slow_down_s: float = 5
    longest_slow_down_s: float = 600


class Cache(Upstream):
    """Semantic cache; without a base URL the built-in sentence model is used."""

    enabled: bool = True
    timeout_s: float = 2
    similarity: float = 0.95
    guard: bool = True
    shared: bool = False
    keep: Literal["asked", "all"] = "asked"
    keep_days: float = 30
    max_gib: float = 5
    max_entries: int = 100_000
    max_prompt_chars: int = 1000


class CredentialSettings(_Section):
    """Certificate and key of the signer, and default texts of the manifest."""

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
    """Level and form of the log: JSON lines, or text for people."""

    level: str = "INFO"
    json_lines: bool = False
    prompts: bool = False
