"""Requests of the Action API byte by byte, and small pictures."""

import base64
import struct
import zlib

import httpx2


def error(response):
    assert list(response.json()) == ["error"]
    return response.status_code, response.json()["error"]


def raw(server, body: bytes, **headers):
    return httpx2.post(
        f"{server.url}/api/v2", content=body, headers={"Authorization": f"Bearer {server.key}"} | headers, timeout=30
    )


def png(width=8, height=8, *, lie=None):
    """A small real PNG; `lie` replaces the size its header claims."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    w, h = lie or (width, height)
    rows = b"".join(b"\0" + b"\xff\0\0\x80" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", w, h, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def data_uri(body: bytes, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(body).decode()}"
