"""S3 store: objects in a bucket, through boto3; pre-signed URLs through our own signer. The bucket must exist.

boto3 is imported here and in s3_client.py alone, so a disk store never pays for it.
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from imgen.domain.errors import ConfigurationError, ImgenError, ObjectNotFound, ObjectStoreFull, ObjectStoreUnavailable
from imgen.objects import ObjectInfo
from imgen.objects.keys import checked_expiry, checked_key, checked_part, checked_prefix, probe
from imgen.objects.s3_client import S3Options, make_client, make_signer
from imgen.objects.sigv4 import presign_get

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 20.0

_ERRORS: dict[str, type[ImgenError]] = {
    "NoSuchKey": ObjectNotFound,
    "NoSuchBucket": ConfigurationError,
    "InvalidAccessKeyId": ConfigurationError,
    "SignatureDoesNotMatch": ConfigurationError,
    "AccessDenied": ConfigurationError,
    "AuthorizationHeaderMalformed": ConfigurationError,  # another region's bucket
    "PermanentRedirect": ConfigurationError,
    "RequestTimeTooSkewed": ConfigurationError,  # this machine's clock is off by over 15 minutes
    "InvalidBucketName": ConfigurationError,
    "XMinioStorageFull": ObjectStoreFull,
}
"""Our error by S3's error code; other codes go by the statuses below, and HEAD answers have no code but their status."""
_STATUSES: dict[int, type[ImgenError]] = {
    HTTPStatus.MOVED_PERMANENTLY: ConfigurationError,
    HTTPStatus.UNAUTHORIZED: ConfigurationError,
    HTTPStatus.FORBIDDEN: ConfigurationError,
    HTTPStatus.NOT_FOUND: ObjectNotFound,
    HTTPStatus.INSUFFICIENT_STORAGE: ObjectStoreFull,
}
KEYS_A_DELETE = 1000
"""Most keys that one DeleteObjects takes (Amazon S3 API reference)."""
_UNCONDITIONAL = {"NotImplemented", "InvalidArgument", "InvalidRequest", "MethodNotAllowed"}
"""Error codes, apart from status 501, of servers that do not know `If-None-Match` on PUT."""
_UNKNOWN_CALL = {*_UNCONDITIONAL, "MalformedXML", "BadDigest", "InvalidDigest", "MissingContentMD5"}
_UNKNOWN_STATUSES = {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.METHOD_NOT_ALLOWED}
"""Error codes and statuses of servers that do not know DeleteObjects, or not as we send it."""


class S3Store:
    """Object store in one bucket. Its client is thread-safe and opens no connection before the first call."""

    def __init__(
        self,
        options: S3Options,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives the Unix seconds at which URLs are signed.

        Raises:
            ConfigurationError: an option is empty or malformed.
        """
        for name in ("bucket", "access_key_id", "secret_access_key", "region"):
            if not getattr(options, name):
                raise ConfigurationError(f"The S3 store needs a value for {name}")
        self._bucket = options.bucket
        self._prefix = f"{options.prefix.strip('/')}/" if options.prefix.strip("/") else ""
        self._clock = clock
        self._conditional = True
        self._deletes_many = True
        try:
            checked_prefix(self._prefix)
            timeouts_s = (connect_timeout_s, read_timeout_s)
            self._client = make_client(options, options.endpoint_url, timeouts_s)
            public_url = options.public_endpoint_url
            public = make_client(options, public_url, timeouts_s) if public_url else self._client
            self._signer = make_signer(options, public, self._prefix)
        except (BotoCoreError, ValueError) as exc:
            raise ConfigurationError(f"The S3 store cannot be used: {exc}") from exc
        self._place = f"bucket {options.bucket} at {self._client.meta.endpoint_url}"

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Stores in one request. An existing key stays as it is: S3 refuses the second writer, or is asked before."""
        checked_key(key)
        if self._conditional:
            try:
                self._put(key, body, content_type, IfNoneMatch="*")
            except ClientError as exc:
                status, code = _status(exc), exc.response["Error"]["Code"]
                if status == HTTPStatus.PRECONDITION_FAILED:
                    return
                if status == HTTPStatus.CONFLICT:  # another writer, not yet done: only what is there counts
                    if self.exists(key):
                        return
                    raise ObjectStoreUnavailable(f"Another write of {key} is under way") from exc
                if status != HTTPStatus.NOT_IMPLEMENTED and code not in _UNCONDITIONAL:
                    raise self._translation(exc) from exc
            else:
                return
        if not self.exists(key):
            with self._translated():
                self._put(key, body, content_type)
                # Learnt only now: what fails without the header too has another cause.
                self._conditional = False

    def get(self, key: str) -> bytes:
        """Returns the whole object."""
        with self._translated():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + checked_key(key))
            with contextlib.closing(answer["Body"]) as stream:
                body: bytes = stream.read()
        return body

    def size_of(self, key: str) -> int:
        """Returns the size of an object in bytes."""
        with self._translated():
            answer = self._client.head_object(Bucket=self._bucket, Key=self._prefix + checked_key(key))
        return int(answer["ContentLength"])

    def get_part(self, key: str, start: int, size_bytes: int) -> bytes:
        """Returns a part of an object, in one request."""
        wanted = f"bytes={start}-{start + size_bytes - 1}"
        with self._translated():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + checked_key(key), Range=wanted)
            with contextlib.closing(answer["Body"]) as stream:
                if answer["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.PARTIAL_CONTENT:
                    raise ObjectStoreUnavailable(f"The S3 {self._place} does not know `Range`")
                return checked_part(key, stream.read(size_bytes), size_bytes)

    def exists(self, key: str) -> bool:
        """Returns whether the key is stored."""
        try:
            with self._translated():
                self._client.head_object(Bucket=self._bucket, Key=self._prefix + checked_key(key))
        except ObjectNotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        """Removes the key; a missing one is no error."""
        with contextlib.suppress(ObjectNotFound), self._translated():
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + checked_key(key))

    def delete_many(self, keys: Iterable[str]) -> dict[str, str]:
        """Removes keys, a thousand to a request; one by one where the server does not know DeleteObjects."""
        kept: dict[str, str] = {}
        checked = iter([checked_key(key) for key in keys])
        while batch := list(itertools.islice(checked, KEYS_A_DELETE)):
            kept |= self._delete_batch(batch) if self._deletes_many else self._delete_each(batch)
        return kept

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Lists all objects whose key starts with the prefix, in key order, a thousand to a request."""
        return self._pages(self._prefix + checked_prefix(prefix))

    def url(self, key: str, *, expires_s: int = 3600, filename: str = "") -> str:
        """Returns a pre-signed GET URL at the public endpoint; does no I/O."""
        query = {"response-content-disposition": _disposition(filename)} if filename else None
        at_unix, expires_s = self._clock(), checked_expiry(expires_s)
        return presign_get(self._signer, checked_key(key), at_unix=at_unix, expires_s=expires_s, query=query)

    def check(self) -> str:
        """Writes, reads and deletes an object. Returns one line with the bucket and its endpoint.

        Raises:
            ConfigurationError: no such bucket, or the key may not use it.
        """
        if not probe(self):
            self._conditional = False  # a server that drops the header it does not know overwrites in silence
        manner = "conditional writes" if self._conditional else "no conditional writes"
        return f"s3: {self._place} ({manner})"

    def _put(self, key: str, body: bytes, content_type: str, **more: str) -> None:
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=self._prefix + key, Body=body, ContentType=content_type, **more
            )
        except BotoCoreError as exc:
            raise self._translation(exc) from exc

    def _delete_batch(self, keys: Sequence[str]) -> dict[str, str]:
        wanted = {"Objects": [{"Key": self._prefix + key} for key in keys], "Quiet": True}
        try:
            answer = self._client.delete_objects(Bucket=self._bucket, Delete=wanted)
        except ClientError as exc:
            if _status(exc) not in _UNKNOWN_STATUSES and exc.response["Error"]["Code"] not in _UNKNOWN_CALL:
                raise self._translation(exc) from exc
            kept = self._delete_each(keys)
            self._deletes_many = False  # learnt only now: what fails one by one too has another cause
            return kept
        except BotoCoreError as exc:
            raise self._translation(exc) from exc
        return {
            error["Key"].removeprefix(self._prefix): f"{error.get('Code', '')}: {error.get('Message', '')}"
            for error in answer.get("Errors", ())
            if error.get("Code") != "NoSuchKey"
        }

    def _delete_each(self, keys: Sequence[str]) -> dict[str, str]:
        """Removes keys one by one; a server that does not answer at all ends the call."""
        kept: dict[str, str] = {}
        for key in keys:
            try:
                self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)
            except ClientError as exc:
                if _status(exc) != HTTPStatus.NOT_FOUND:
                    kept[key] = str(self._translation(exc))
            except BotoCoreError as exc:
                raise self._translation(exc) from exc
        return kept

    def _pages(self, prefix: str) -> Iterator[ObjectInfo]:
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix))
        while True:
            with self._translated():
                page = next(pages, None)
            if page is None:
                return
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._prefix)
                yield ObjectInfo(key, entry["Size"], entry["LastModified"].timestamp())

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as exc:
            raise self._translation(exc) from exc

    def _translation(self, exc: BotoCoreError | ClientError) -> ImgenError:
        if not isinstance(exc, ClientError):  # timeouts, resets, refused connections, cut bodies
            return ObjectStoreUnavailable(f"The S3 {self._place} did not answer: {exc}")
        kind = _ERRORS.get(exc.response["Error"]["Code"]) or _STATUSES.get(_status(exc), ObjectStoreUnavailable)
        return kind() if kind is ObjectNotFound else kind(f"The S3 {self._place} refused: {exc}")


def _status(exc: ClientError) -> int:
    return int(exc.response["ResponseMetadata"]["HTTPStatusCode"])


def _disposition(filename: str) -> str:
    """Formats Content-Disposition (RFC 6266): a plain name in quotes, any other in its encoded form."""
    encoded = quote(filename)
    return f'inline; filename="{filename}"' if encoded == filename else f"inline; filename*=utf-8''{encoded}"
