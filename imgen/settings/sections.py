"""Sections of the settings, one class for each table of config/imgen.toml, with their defaults."""

import ipaddress
from typing import Annotated, Literal

from annotated_types import Interval, Len
from pydantic import BaseModel, BeforeValidator, ConfigDict, IPvAnyNetwork, SecretStr, StringConstraints

from imgen.domain.job import TASK_LIMIT_S, TASK_MARGIN_S
from imgen.domain.soft_binding import DEFAULT_DOMAIN

DAY_S = 86_400
Pause = Annotated[float, Interval(ge=0, le=DAY_S)]
"""Seconds; 0 is no pause."""
TimeLimit = Annotated[float, Interval(gt=0, le=DAY_S)]
"""Seconds, more than none."""
Days = Annotated[float, Interval(ge=0, le=36_500)]
"""0 keeps for ever."""
Score = Annotated[float, Interval(gt=0, le=1)]
_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
ReverseDomain = Annotated[str, StringConstraints(pattern=rf"^{_LABEL}(\.{_LABEL})+$", max_length=253)]
"""Name such as `com.example`, the last label of the domain first."""
Count = Annotated[int, Interval(ge=0, le=1_000_000_000)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Http(_Section):
    """Host and port of the API, and limits of requests."""

    host: str = "127.0.0.1"
    port: Annotated[int, Interval(ge=1, le=65_535)] = 8000
    public_url: str = ""
    max_body_mib: Annotated[float, Interval(gt=0, le=1024)] = 12
    read_timeout_s: TimeLimit = 30
    shutdown_timeout_s: Annotated[int, Interval(ge=0, le=3600)] = 10
    cors_origins: tuple[str, ...] = ()
    event_streams: Annotated[int, Interval(ge=1, le=1_000_000)] = 100
    processes: Annotated[int, Interval(ge=1, le=256)] = 1
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()


class Accounts(_Section):
    """People, and the tenants that they make for themselves."""

    sign_up: Literal["closed", "open"] = "closed"
    sign_up_plan: str = "free"
    tenants_per_person: Annotated[int, Interval(ge=0, le=1_000_000)] = 3


class Forge(_Section):
    """Surface with quality tiers and content-addressed assets."""

    anonymous: bool | Literal["loopback"] = "loopback"
    enhance: bool = True
    sync_wait_s: TimeLimit = 55
    assets: Literal["public", "private"] = "public"
    shared_inputs: bool = False


class OpenAI(_Section):
    """Surface for OpenAI's client libraries."""

    aliases: tuple[str, ...] = ("gpt-image-*", "chatgpt-image-*", "dall-e-*")
    enhance: bool = True
    wait_s: TimeLimit = 540
    max_prompt_chars: Annotated[int, Interval(ge=1, le=1_000_000)] = 32_000
    max_upload_mib: Annotated[float, Interval(gt=0, le=1024)] = 64


class Mcp(_Section):
    """Surface of agents."""

    wait_s: TimeLimit = 55
    tool_names: Literal["plain", "image"] = "plain"


class DatabaseSettings(_Section):
    """SQL connection; the system of record."""

    url: SecretStr = SecretStr("")
    pool_size: Annotated[int, Interval(ge=1, le=1000)] = 8


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
    url_expires_s: Annotated[int, Interval(ge=1, le=3600)] = 3600
    uploads_gib: Annotated[float, Interval(ge=0, le=1_000_000)] = 10
    s3: S3Settings = S3Settings()


class Patience(_Section):
    """Pauses between the attempts at a job while a part is away, and the time after which it fails."""

    first_pause_s: TimeLimit = 2
    longest_pause_s: TimeLimit = 30
    give_up_s: Annotated[float, Interval(ge=0, le=30 * DAY_S)] = 900


class Jobs(Patience):
    """Limits and times of jobs: queue, lease, retries, outages, retention."""

    max_queued: Annotated[int, Interval(ge=1, le=10_000_000)] = 10_000
    max_prompt_chars: Annotated[int, Interval(ge=1, le=1_000_000)] = 10_000
    deadline_s: Annotated[float, Interval(gt=0, le=30 * DAY_S)] = 3600
    lease_s: Annotated[float, Interval(ge=1, le=3600)] = 15
    reconcile_s: Annotated[float, Interval(gt=0, le=3600)] = 2
    max_attempts: Annotated[int, Interval(ge=1, le=100)] = 3
    retry_pauses_s: Annotated[tuple[Pause, ...], Len(1)] = (1, 5)
    keep_jobs_days: Days = 90
    keep_pictures_days: Days = 30


class Upstream(_Section):
    """OpenAI-compatible endpoint: base URL, key, model, time-out, and pause of its circuit breaker."""

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    timeout_s: TimeLimit = 15
    pause_s: Pause = 20


class Enhancer(Upstream):
    """Chat endpoint behind `optimize`; without a base URL the built-in, rule-based enhancer answers."""

    max_chars: Annotated[int, Interval(ge=1, le=1_000_000)] = 1500


BLIND_REVIEWERS = frozenset({"rules"})
"""Reviewers that see no picture."""


class Review(Upstream, Patience):
    """Reviewers of pictures; pauses while they do not answer; penalties for blocked pictures."""

    reviewers: tuple[str, ...] = ("rules",)
    moderation_model: str = "omni-moderation-latest"
    nudity_threshold: Score = 0.5
    nudity_child_threshold: Score = 0.35
    longest_pause_s: TimeLimit = 120
    free_blocks: Count = 20
    slow_down_s: Pause = 5
    longest_slow_down_s: Pause = 600

    @property
    def sees_pictures(self) -> bool:
        """Returns whether any reviewer looks at pictures."""
        return bool(set(self.reviewers) - BLIND_REVIEWERS)


class Cache(Upstream):
    """Semantic cache; without a base URL the built-in sentence model is used."""

    enabled: bool = True
    timeout_s: TimeLimit = 2
    similarity: Annotated[float, Interval(ge=-1, le=1)] = 0.95
    guard: bool = True
    shared: bool = False
    keep: Literal["asked", "all"] = "asked"
    keep_days: Days = 30
    max_gib: Annotated[float, Interval(ge=0, le=1_000_000)] = 5
    max_entries: Count = 100_000
    max_prompt_chars: Annotated[int, Interval(ge=1, le=1_000_000)] = 1000


class KmsSettings(_Section):
    """Region and server of a key in AWS KMS."""

    region: str = ""
    endpoint_url: str = ""


class CredentialSettings(_Section):
    """Certificate and key of the signer, and default texts of the manifest."""

    certificate_chain: str = ""
    private_key: str = ""
    key_pin: SecretStr = SecretStr("")
    key_timeout_s: Annotated[float, Interval(gt=0, le=60)] = 5
    kms: KmsSettings = KmsSettings()
    trust_anchors: str = ""
    tsa_url: str = ""
    tsa_timeout_s: Annotated[float, Interval(gt=0, le=60)] = 5
    without_timestamp: Literal["wait", "sign"] = "wait"
    algorithm_domain: ReverseDomain = DEFAULT_DOMAIN
    author: str = ""
    title: str = "Generated picture"
    description: str = ""
    organization: str = ""
    vendor: str = "Imgen"


class Provenance(_Section):
    """Records of published pictures, by which they are known after their jobs and files are gone, and who may look them up."""

    keep_records_days: Days = 0
    resolution: Literal["public", "keys", "off"] = "keys"
    public_requests_per_minute: Annotated[int, Interval(ge=1, le=1_000_000)] = 30


class Models(_Section):
    """Models of all workers; the models themselves are in models.toml."""

    preload: tuple[str, ...] = ()


class Workers(_Section):
    """Worker processes; time to load a model, and what it leaves for a render."""

    finish_processes: Annotated[int, Interval(ge=1, le=256)] = 1
    allow_downloads: bool = False
    previews: bool = True
    load_limit_s: Annotated[float, Interval(gt=0, le=480)] = 240
    model_stay_s: Pause = 20
    memory_gib: Annotated[float, Interval(ge=0, le=65_536)] = 0
    upscalers: dict[Literal["2", "4"], str] = {}
    upscale_tile: Annotated[int, Interval(ge=96, le=4096)] = 256

    @property
    def longest_render_s(self) -> int:
        """Returns the longest time limit that a model can have: what Celery's hard limit leaves beside loading."""
        return int(TASK_LIMIT_S - TASK_MARGIN_S - self.load_limit_s)


class Webhooks(_Section):
    """Events that are sent to addresses of tenants: networks that they may reach, tries, retention."""

    allow: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    timeout_s: Annotated[float, Interval(gt=0, le=30)] = 15
    retry_pauses_s: Annotated[tuple[Pause, ...], Len(1, 20)] = (
        5,
        300,
        1800,
        7200,
        18_000,
        36_000,
        50_400,
        72_000,
        86_400,
    )
    keep_days: Days = 30


Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class Logs(_Section):
    """Level and form of the log: JSON lines, or text for people."""

    level: Annotated[Level, BeforeValidator(_upper)] = "INFO"
    json_lines: bool = False
    prompts: bool = False
