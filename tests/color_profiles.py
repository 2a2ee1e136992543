"""ICC profiles made for tests: of a wide RGB space, of grey, and of a press whose inks are other colours than usual."""

import struct


def _profile(space, device_class, connection, *tags):
    """A version 2 profile of tags (signature, data)."""
    table, data, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for signature, body in tags:
        table += signature + struct.pack(">II", at + len(data), len(body))
        data += body + b"\0" * (-len(body) % 4)
    size = 128 + len(table) + len(data)
    header = struct.pack(">I4sI4s4s4s", size, b"test", 0x02100000, device_class, space, connection)
    header += struct.pack(">6H4s4sIIIQI3I4s44s", 2026, 1, 1, 0, 0, 0, b"acsp", b"", 0, 0, 0, 0, 0, *_D50, b"test", b"")
    return header + table + data


_D50 = (0xF6D6, 0x10000, 0xD32D)


def _xyz(*values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def _words(text):
    body = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(body)) + body + bytes(78)


def wide_rgb(name="Wide"):
    """Display P3's primaries with a gamma of 2.2."""
    white = (0.9642, 1.0, 0.8249)
    primaries = ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))
    tags = [(b"desc", _words(name)), (b"wtpt", _xyz(*white))]
    tags += [(name, _xyz(*each)) for name, each in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)]
    tags += [(name, _gamma(2.2)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return _profile(b"RGB ", b"mntr", b"XYZ ", *tags)


def linear_grey():
    """Grey whose levels are proportional to light."""
    white = _xyz(0.9642, 1.0, 0.8249)
    return _profile(b"GRAY", b"mntr", b"XYZ ", (b"desc", _words("Linear")), (b"wtpt", white), (b"kTRC", _gamma(1.0)))


def odd_press():
    """A press whose cyan is a strong red; its other inks are greys."""
    grid = b""
    for node in range(16):  # C is the slowest of the four
        cyan, others = node >> 3, (node & 7).bit_count()
        lightness = 255 - others * 60 - cyan * 100
        grid += bytes((max(0, lightness), 128 + 80 * cyan, 128 + 60 * cyan))
    ramp = bytes(range(256))
    identity = b"".join(struct.pack(">i", 65536 if row == column else 0) for row in range(3) for column in range(3))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + ramp * 4 + grid + ramp * 3
    white = _xyz(0.9642, 1.0, 0.8249)
    return _profile(b"CMYK", b"prtr", b"Lab ", (b"desc", _words("Press")), (b"wtpt", white), (b"A2B0", table))
