"""Ways of sending a picture over each dialect, and the forms of their failures."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx2
from bombs import saved
from hostile_pictures import BLACK, BLUE, RED, WHITE, halves
from surfaces.dialects.multipart import FORM, file, form, text

PROMPT, EDITS = "a vase", "/v1/images/edits"
GOOD = saved(halves(RED, BLUE), "PNG")
GOOD_MASK = saved(halves((*WHITE, 0), (*BLACK, 255), "RGBA"), "PNG")
"""Its left half is transparent."""
EVERYWHERE = (
    *("nothing", "svg", "gif", "pdf", "png of 4 gigapixels", "jpeg that says 65,535²", "jpeg with 2,000 scans"),
    *("webp that says 16,384² in VP8L", "webp with a lying length", "AVIF of 25 megapixels", "AVIF that says 65,535²"),
    *("PNG of 20000 × 10", "PNG of 10 × 20000", "PNG of 33 megapixels", "PNG cut at 50 %", "WEBP cut at 90 %"),
    *("JPEG cut at 10 %", "PDF with a PNG in it", "HTML after a JPEG's signature", "script that is a GIF as well"),
    "png with text that unfolds to 30 MB",
)
"""Pictures that every way of sending meets."""
PARTS = 3
"""Least number of parts into which the other pictures are divided between the ways of a dialect."""


@dataclass(frozen=True)
class Request:
    """One request, without its credential."""

    path: str
    content: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Send = Callable[[bytes], Request]


def data_uri(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def bare(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def as_json(path: str, **fields: object) -> Request:
    return Request(path, json.dumps(fields).encode())


def as_form(path: str, *parts: bytes) -> Request:
    return Request(path, form(*parts), FORM)


def action(**fields: object) -> Request:
    return as_json("/api/v2", **{"action": "generate", "prompt": PROMPT} | fields)


def studio(**fields: object) -> Request:
    return as_json("/api/v1/generate", **{"mode": "style", "prompt": PROMPT} | fields)


def openai_edit(*parts: bytes) -> Request:
    return as_form(EDITS, text("prompt", PROMPT), *parts)


def sends(good: bytes, asset_url: str) -> dict[str, Send]:
    """Way → request of a picture; `good` is its source where the picture is a mask, or the asset at the URL."""
    return {
        "action, source": lambda picture: action(image=data_uri(picture)),
        "action, raw upload": lambda picture: Request("/api/v2/upload", picture, "image/png"),
        "forge, mask": lambda picture: as_json(
            "/v2/generate", prompt=PROMPT, input_asset_url=asset_url, mask_image=data_uri(picture)
        ),
        "studio, source": lambda picture: studio(imageBase64=bare(picture)),
        "studio, raw upload": lambda picture: Request("/api/v1/images", picture, "image/png"),
        "openai, image": lambda picture: openai_edit(file("image", picture)),
        "openai, third image": lambda picture: openai_edit(
            file("image[]", good), file("image[]", good), file("image[]", picture)
        ),
        "openai, mask": lambda picture: openai_edit(file("image", good), file("mask", picture)),
        "openai, variation": lambda picture: as_form("/v1/images/variations", file("image", picture)),
        "openai, JSON": lambda picture: as_json(EDITS, prompt=PROMPT, images=[{"image_url": data_uri(picture)}]),
    }


def in_base64(text: str) -> dict[str, Request]:
    """Dialect → request whose picture is this base64."""
    return {
        "action": action(image=f"data:image/png;base64,{text}"),
        "studio": studio(imageBase64=text),
        "openai": as_json(EDITS, prompt=PROMPT, images=[{"image_url": f"data:image/png;base64,{text}"}]),
    }


def in_json(value: object) -> dict[str, Request]:
    """Dialect → request whose picture is this value."""
    return {
        "action": action(image=value),
        "studio": studio(imageBase64=value),
        "openai": as_json(EDITS, prompt=PROMPT, images=[{"image_url": value}]),
    }


ODD_BASE64: dict[str, Callable[[str], str]] = {
    "line ends": lambda text: "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + "\r\n",
    "other alphabet": lambda text: text.replace("+", "-").replace("/", "_"),
    "no padding": lambda text: text.rstrip("="),
}


WAYS = tuple(sends(b"", ""))


def share(way: str, names: list[str]) -> list[str]:
    """The pictures of a way: some that all have, and a part of the others, another one for each way of a dialect."""
    ways = [one for one in WAYS if dialect_of(one) == dialect_of(way)]
    others = [name for name in names if name not in EVERYWHERE]
    return [*EVERYWHERE, *others[ways.index(way) :: max(PARTS, len(ways))]]


def dialect_of(way: str) -> str:
    return way.partition(",")[0]


def _action(body: dict) -> None:
    assert list(body) == ["error"]
    assert isinstance(body["error"], str)


def _forge(body: dict) -> None:
    assert list(body) == ["error"]
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "field"}


def _studio(body: dict) -> None:
    assert set(body) == {"error", "requestId"}
    assert set(body["error"]) == {"code", "message"}


def _openai(body: dict) -> None:
    assert list(body) == ["error"]
    assert set(body["error"]) == {"message", "type", "param", "code"}


FORMS = {"action": _action, "forge": _forge, "studio": _studio, "openai": _openai}


def check_refusal(dialect: str, answer: httpx2.Response, name: str, statuses: tuple[int, ...] = (400, 413)) -> None:
    """Checks that a request was refused with one of these statuses, in the dialect's form."""
    assert answer.status_code in statuses, (name, answer.status_code, answer.text[:300])
    assert answer.headers["x-request-id"], name
    FORMS[dialect](answer.json())
