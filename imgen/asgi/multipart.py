"""Forms with files (multipart/form-data, RFC 7578), read as they come: files go to disk past a megabyte, all else is bounded.

Temporary files have no name: they are gone once they are closed, or with the process.
"""

import hashlib
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Self

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive, Scope

from imgen.asgi.endpoint import SPOOL_BYTES, body_chunks, header
from imgen.domain.errors import Invalid, InvalidField, Unavailable

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 100
MAX_TEXT_BYTES = 256 * 1024
"""Bytes of all texts of a form together."""
CONTENT_TYPE = b"content-type"
MEDIA_TYPE = b"multipart/form-data"


@dataclass(frozen=True, kw_only=True)
class FormFile:
    """File of a form."""

    name: str
    """Name of the form's field."""
    body: IO[bytes]

    def read(self) -> bytes:
        """Reads all of it; in a thread, where it is large."""
        self.body.seek(0)
        return self.body.read()


@dataclass(frozen=True, kw_only=True)
class Form:
    """Form, whose files are closed with it."""

    texts: dict[str, str] = field(default_factory=dict)
    """Name of a field → its text; of a list, `name[]`, the last."""
    files: list[FormFile] = field(default_factory=list)
    digest: str = ""
    """Digest of names and contents, in hex: the boundary between the parts does not count."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        """Closes the files."""
        for file in self.files:
            file.body.close()


def is_form(scope: Scope) -> bool:
    """Returns whether a request's body is such a form."""
    return parse_options_header(header(scope, CONTENT_TYPE))[0] == MEDIA_TYPE


async def read_form(scope: Scope, receive: Receive, *, max_bytes: int) -> Form:
    """Reads the whole body.

    Raises:
        Invalid: the body is no form, is cut off, or has too many parts.
        InvalidField: a text is no UTF-8 or comes more than once, or the texts are too long.
        TooLarge: the body is over the limit.
        Unavailable: the disk is full.
        starlette.requests.ClientDisconnect: the client disconnected.
    """
    boundary = parse_options_header(header(scope, CONTENT_TYPE))[1].get(b"boundary", b"")
    if not boundary or not is_form(scope):
        raise Invalid("The body is no multipart/form-data with a boundary")
    reader = _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        async for chunk in body_chunks(scope, receive, max_bytes=max_bytes):
            parser.write(chunk)
        parser.finalize()
        return reader.form()
    except FormParserError as exc:
        reader.close()
        raise Invalid("The form is malformed") from exc
    except OSError as exc:
        reader.close()
        raise Unavailable(f"A file cannot be kept: {exc.strerror}") from exc
    except BaseException:
        reader.close()
        raise


class _Part:
    """Part under way."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.name = ""
        self.file: IO[bytes] | None = None
        self.text = bytearray()
        self.digest = hashlib.sha256()


class _Reader:
    """Receiver of a parser's callbacks."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._field, self._value = bytearray(), bytearray()
        self._text_bytes = 0
        self._is_complete = False

    def callbacks(self) -> "MultipartCallbacks":
        """Returns the table that the parser takes."""
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }

    def form(self) -> Form:
        """Returns what was read.

        Raises:
            Invalid: its end is missing.
            InvalidField: a text is no UTF-8, or comes more than once.
        """
        if not self._is_complete:
            raise Invalid("The form has no end")
        texts: dict[str, str] = {}
        files = []
        for part in self._parts:
            if part.file is not None:
                files.append(FormFile(name=part.name, body=part.file))
                continue
            if part.name in texts and not part.name.endswith("[]"):
                raise InvalidField(part.name, f"{part.name} comes more than once")
            try:
                texts[part.name] = part.text.decode()
            except UnicodeDecodeError as exc:
                raise InvalidField(part.name) from exc
        digest = hashlib.sha256()
        for part in sorted(self._parts, key=lambda one: one.name):
            digest.update(b"%d:%s" % (len(part.name), part.name.encode()) + part.digest.digest())
        return Form(texts=texts, files=files, digest=digest.hexdigest())

    def close(self) -> None:
        """Closes the files of a form that is given up."""
        for part in self._parts:
            if part.file is not None:
                part.file.close()

    def _on_part_begin(self) -> None:
        if len(self._parts) == MAX_PARTS:
            raise Invalid(f"A form has at most {MAX_PARTS} parts")
        self._parts.append(_Part())

    def _on_header_end(self) -> None:
        self._parts[-1].headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        part = self._parts[-1]
        kind, options = parse_options_header(part.headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"")
        if kind != b"form-data" or not name:
            raise Invalid("A part of the form has no name")
        part.name = name.decode("utf-8", "replace")
        media_type = parse_options_header(part.headers.get(CONTENT_TYPE, b"text/plain"))[0]
        if b"filename" in options or not media_type.startswith(b"text/"):
            part.file = SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115 - closed with the form

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part, piece = self._parts[-1], data[start:end]
        part.digest.update(piece)
        if part.file is not None:
            part.file.write(piece)
            return
        self._text_bytes += len(piece)
        if self._text_bytes > MAX_TEXT_BYTES:
            raise InvalidField(part.name, f"The texts of a form have at most {MAX_TEXT_BYTES // 1024} KiB")
        part.text += piece

    def _on_end(self) -> None:
        self._is_complete = True
