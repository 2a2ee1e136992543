"""Published pictures, what platforms leave of them, and requests to the resolver by the clients of a site."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import httpx2
from PIL import Image
from surfaces.forge.site import draw

from imgen.domain.ids import stored_id
from imgen.records import picture_records
from imgen.records.picture_records import PictureRecord

MATCHES, MANIFESTS, SERVICES = (f"/c2pa/v1/{name}" for name in ("matches", "manifests", "services"))
BY_BINDING, BY_CONTENT = f"{MATCHES}/byBinding", f"{MATCHES}/byContent"
WATERMARK, FINGERPRINT = "internal.imgen.dwtDctSvd.bch127", "internal.imgen.pdq"


@dataclass(frozen=True)
class Published:
    """A finished picture: its signed file, and its record."""

    file: bytes
    record: PictureRecord


def bearer(site, key: str) -> httpx2.AsyncClient:
    """A client with a key, as C2PA readers send it."""
    return site.client(Authorization=f"Bearer {key}")


async def publish(site, work: Callable[[str], None], key: str, **fields) -> Published:
    """A new picture of the key's tenant."""
    async with site.by_key(key) as client:
        job = await draw(client, work, **fields)
        file = (await client.get(job["asset_url"])).content
    with site.core.database.read() as connection:
        (record,) = [
            one
            for one in picture_records.expired(connection, published_before=float("inf"), limit=10_000)
            if one.job_id == stored_id(job["job_id"])
        ]
    return Published(file, record)


def stripped(file: bytes, *, scale: float = 1.0, quality: int = 90) -> bytes:
    """The picture as a platform saves it anew: without any metadata, resized."""
    with Image.open(io.BytesIO(file)) as image:
        size = round(image.width * scale), round(image.height * scale)
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    saved = io.BytesIO()
    small.save(saved, "JPEG", quality=quality)
    return saved.getvalue()


async def by_content(client: httpx2.AsyncClient, file: bytes, **query) -> list[dict]:
    """The matches of a file."""
    return told(await client.post(BY_CONTENT, content=file, params=query, headers={"Content-Type": "image/jpeg"}))


async def by_binding(client: httpx2.AsyncClient, alg: str, value: str, **query) -> list[dict]:
    """The matches of a value."""
    return told(await client.get(BY_BINDING, params={"alg": alg, "value": value} | query))


def told(answer: httpx2.Response) -> list[dict]:
    """The matches of an answer, which must be 200."""
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"matches"}
    return answer.json()["matches"]


def failure(answer: httpx2.Response) -> tuple[int, str]:
    """Status and text of a failure, whose form is checked."""
    assert set(answer.json()) == {"error"}
    return answer.status_code, answer.json()["error"]
