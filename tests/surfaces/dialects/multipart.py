"""Multipart bodies by hand: good ones, and those made to break or to exhaust a reader of them."""

from collections.abc import Iterator
from typing import NamedTuple

BOUNDARY = "imgen-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


class Body(NamedTuple):
    """A request's body and its type."""

    content: bytes
    content_type: str = FORM


def part(name: str, content: bytes, *, filename: str | None = None, head: str = "") -> bytes:
    """A part with its headers; `head` holds further header lines, each with its line end."""
    file = "" if filename is None else f'; filename="{filename}"'
    return (
        f'Content-Disposition: form-data; name="{name}"{file}\r\n{head}\r\n'.encode("utf-8", "surrogateescape")
        + content
    )


def text(name: str, value: str) -> bytes:
    return part(name, value.encode())


def file(name: str, content: bytes, filename: str = "picture.png") -> bytes:
    return part(name, content, filename=filename, head="Content-Type: application/octet-stream\r\n")


def form(*parts: bytes, boundary: str = BOUNDARY, end: str = "--") -> bytes:
    """Parts between boundaries."""
    line = f"--{boundary}".encode()
    return b"".join(line + b"\r\n" + one + b"\r\n" for one in parts) + line + end.encode() + b"\r\n"


def edit(picture: bytes, *more: bytes, prompt: str = "a vase") -> Body:
    """A request that edits a picture."""
    return Body(form(text("prompt", prompt), file("image", picture), *more))


def hostile(picture: bytes) -> Iterator[tuple[str, Body]]:
    """Yields names and bodies that must be refused, though their picture is good."""
    good = edit(picture).content
    prompt, image = text("prompt", "a vase"), file("image", picture)
    yield "empty", Body(b"")
    yield "no boundary", Body(good, "multipart/form-data")
    yield "empty boundary", Body(good, "multipart/form-data; boundary=")
    yield "wrong boundary", Body(good, "multipart/form-data; boundary=another")
    yield "boundary of 4,000 letters", Body(good, f"multipart/form-data; boundary={'b' * 4_000}")
    yield "boundary that is no token", Body(good, 'multipart/form-data; boundary="\t\x01"')
    yield "no end", Body(good[: -len(BOUNDARY) - 6])
    yield "cut in a part's headers", Body(good[: good.index(b"octet-stream")])
    yield "cut in a picture", Body(good[: good.index(b"octet-stream") + len(picture) // 2])
    yield "end alone", Body(form())
    yield "no parts' headers", Body(form(b"\r\nhello"))
    yield "no name", Body(form(prompt, b"Content-Disposition: form-data\r\n\r\n" + picture))
    yield "no disposition", Body(form(prompt, b"Content-Type: image/png\r\n\r\n" + picture))
    yield (
        "attachment in place of form data",
        Body(form(prompt, b'Content-Disposition: attachment; filename="a.png"\r\n\r\n' + picture)),
    )
    yield "header without a colon", Body(form(prompt, b"Content-Disposition form-data\r\n\r\n" + picture))
    yield "line feeds alone", Body(good.replace(b"\r\n", b"\n"))
    yield "preamble", Body(b"preamble\r\n" + good)
    yield "rubbish in place of a boundary", Body(b"\r\n" * 5_000 + b"rubbish")
    yield "1,000 fields", edit(picture, *(text(f"field{number}", "x") for number in range(1_000)))
    yield "1,000 fields of one name", edit(picture, *(text("user", "x") for _ in range(1_000)))
    yield "1,000 files", edit(picture, *(file(f"file{number}", b"x") for number in range(1_000)))
    yield "17 pictures", Body(form(prompt, *(file("image[]", picture) for _ in range(17))))
    yield "a field of 2 MB", edit(picture, text("user", "x" * 2_000_000))
    yield "a prompt of 2 MB", edit(picture, prompt="x" * 2_000_000)
    yield (
        "a header of 1 MB",
        Body(form(prompt, part("image", picture, filename="a.png", head=f"X-A: {'x' * 1_000_000}\r\n"))),
    )
    yield "1,000 headers", Body(form(prompt, part("image", picture, filename="a.png", head="X-A: x\r\n" * 1_000)))
    yield "a name of 1 MB", Body(form(prompt, image, text("x" * 1_000_000, "x")))
    yield "a file name of 1 MB", Body(form(prompt, file("image", picture, "x" * 1_000_000)))
    nested = form(file("file", picture), boundary="inner")
    yield (
        "multipart within multipart",
        Body(form(prompt, part("image", nested, head="Content-Type: multipart/mixed; boundary=inner\r\n"))),
    )
    yield (
        "picture in base64",
        Body(form(prompt, part("image", b"aGVsbG8=", filename="a.png", head="Content-Transfer-Encoding: base64\r\n"))),
    )
    yield "no picture", Body(form(prompt))
    yield "picture without a byte", Body(form(prompt, file("image", b"")))
    yield "picture as a text", Body(form(prompt, text("image", "https://127.0.0.1/a.png")))
    yield "no prompt", Body(form(image))
    yield "prompt without a letter", Body(form(text("prompt", ""), image))
    yield "prompt twice", Body(form(prompt, text("prompt", "a chair"), image))
    yield "prompt as a file", Body(form(file("prompt", b"a vase"), image))
    yield "prompt that is no UTF-8", Body(form(part("prompt", b"\xff\xfe\x00"), image))
    yield "two masks", edit(picture, file("mask", picture), file("mask", picture))
    yield "mask without a byte", edit(picture, file("mask", b""))
    yield "n that is no number", edit(picture, text("n", "1; DROP TABLE jobs"))
    yield "n of 5,000 digits", edit(picture, text("n", "9" * 5_000))
    yield "stream that is no yes or no", edit(picture, text("stream", "perhaps"))
    yield "JSON under the type of a form", Body(b'{"prompt": "a vase"}')
    yield "form under the type of JSON", Body(good, "application/json")
    yield "another type", Body(good, "text/plain")
    yield "form of a page", Body(b"prompt=a+vase&image=x", "application/x-www-form-urlencoded")


def odd(picture: bytes) -> Iterator[tuple[str, Body]]:
    """Yields names and bodies that no client should send, and that mean one thing all the same: they are taken."""
    yield "file name that climbs", Body(form(text("prompt", "a vase"), file("image", picture, "../../../etc/cron.d/x")))
    yield "file name with a NUL", Body(form(text("prompt", "a vase"), file("image", picture, "a\0.png")))
    yield "file name of another type", Body(form(text("prompt", "a vase"), file("image", picture, "a.php;.svg")))
    yield "empty file name", Body(form(text("prompt", "a vase"), file("image", picture, "")))
    yield "epilogue", Body(edit(picture).content + b"epilogue")
    yield (
        "boundary in quotes",
        Body(edit(picture).content, f'multipart/form-data; charset=utf-8; boundary="{BOUNDARY}"'),
    )
    yield "fields that nobody knows", edit(picture, text("svg[model]", "x"), text("input_fidelity", "high"))
    yield "indexed pictures", Body(form(text("prompt", "a vase"), file("image[0]", picture), file("image[1]", picture)))
