"""Client of an S3 bucket and signer of its URLs, made from the bucket's configuration."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

from boto3.session import Session
from botocore.config import Config

from imgen.objects.sigv4 import Signer, host_header

MAX_ATTEMPTS = 3
POOL_CONNECTIONS = 32
"""Connections in the pool; more threads than that at the same time only warn and reconnect."""


@dataclass(frozen=True, kw_only=True)
class S3Options:
    """Configuration of the bucket."""

    bucket: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str = "us-east-1"
    endpoint_url: str = ""
    """URL of the S3 server; empty: Amazon's own for the region."""
    public_endpoint_url: str = ""
    """URL of the server for clients, if it differs. The host is signed: a URL for another host is refused."""
    addressing: Literal["path", "virtual", "auto"] = "auto"
    """Addressing of the bucket; `auto`: virtual hosts at Amazon, path everywhere else."""
    prefix: str = ""
    """Prefix of every key, for a bucket that others use as well; a `/` is added if it lacks one."""


def make_client(options: S3Options, endpoint_url: str, timeouts_s: tuple[float, float]) -> Any:
    """Makes a client of botocore's; `timeouts_s` are those of connecting and of reading."""
    connect_timeout_s, read_timeout_s = timeouts_s
    config = Config(
        signature_version="s3v4",  # the default for custom endpoints pre-signs with version 2
        ignore_configured_endpoint_urls=True,  # AWS_ENDPOINT_URL of the environment is not for us
        s3={"addressing_style": options.addressing},
        request_checksum_calculation="when_required",  # the newer default sends trailers few servers know
        response_checksum_validation="when_required",
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
        max_pool_connections=POOL_CONNECTIONS,
    )
    session = Session(options.access_key_id, options.secret_access_key, region_name=options.region)
    client = session.client("s3", endpoint_url=endpoint_url or None, config=config)
    client.meta.events.register("before-sign.s3.DeleteObjects", _add_md5)
    return client


def make_signer(options: S3Options, public: Any, prefix: str) -> Signer:
    """Makes the signer of URLs.

    It asks botocore once how it addresses this bucket, so that all its rules about hosts, paths and regions hold.
    """
    sample = urlsplit(public.generate_presigned_url("get_object", Params={"Bucket": options.bucket, "Key": "x"}))
    origin = f"{sample.scheme}://{sample.netloc}"
    return Signer(
        origin=origin,
        path=sample.path.removesuffix("x") + quote(prefix),
        host=host_header(origin),
        region=parse_qs(sample.query)["X-Amz-Credential"][0].split("/")[-3],
        access_key_id=options.access_key_id,
        secret_access_key=options.secret_access_key,
    )


def _add_md5(request: Any, **_more: object) -> None:
    """Adds Content-MD5, which servers other than Amazon's want of DeleteObjects; botocore sends a newer checksum alone."""
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode()
