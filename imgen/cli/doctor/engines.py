"""Check of engines elsewhere: their file, their keys, and whether each takes its key."""

from imgen import configuration
from imgen.cli.doctor.finding import shown_url
from imgen.domain.catalog import OpenAIOptions
from imgen.domain.errors import ConfigurationError, UpstreamUnavailable
from imgen.domain.remote_engine import RemoteEngine
from imgen.settings import Settings, named_key
from imgen.settings.sections import Upstream
from imgen.upstream.openai_client import BlockingOpenAIClient, Limits

TIMEOUT_S = 10
MAX_ANSWER_BYTES = 2**20
_NOT_FOUND = 404


def engines(loaded: Settings) -> str:
    """Has each remote engine list its models; nothing is drawn, so nothing is paid."""
    remotes = configuration.load_engines(loaded)
    for model in configuration.load_catalog(loaded).models.values():
        if isinstance(model.engine, OpenAIOptions) and model.engine.engine not in remotes:
            raise ConfigurationError(f"{model.key}: there is no engine {model.engine.engine!r} in engines.toml")
    return "\n".join(_found(remote) for remote in remotes.values()) or "none elsewhere"


def _found(remote: RemoteEngine) -> str:
    key = named_key(remote.api_key_env)
    if remote.api_key_env and not key.get_secret_value():
        raise ConfigurationError(f"{remote.key}: the environment has no {remote.api_key_env}")
    where = f"{remote.key} at {shown_url(remote.base_url)}"
    upstream = Upstream(base_url=remote.base_url, api_key=key, timeout_s=TIMEOUT_S)
    limits = Limits(total_s=TIMEOUT_S, max_bytes=MAX_ANSWER_BYTES, follow_redirects=False)
    client = BlockingOpenAIClient(upstream, limits)
    try:
        client.ask(lambda opened: opened.models.with_streaming_response.list())
    except UpstreamUnavailable as exc:
        if exc.status == _NOT_FOUND:
            return f"{where} answers, and lists no models"
        raise ConfigurationError(f"{where}: {exc} {exc.status or ''} {exc.words[:300]}".strip()) from exc
    finally:
        client.close()
    return f"{where} answers"
