"""Texts of what a check found, by state: a plain string is a part that works."""

from urllib.parse import urlsplit


class Warned(str):
    """Text of a part that works, with a warning."""

    __slots__ = ()


class Fresh(str):
    """Text of a part that the first start makes."""

    __slots__ = ()


def shown_url(url: str) -> str:
    """Returns a URL without the user and password that it may have."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
