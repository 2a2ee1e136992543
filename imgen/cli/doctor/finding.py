"""Texts of what a check found, by state: a plain string is a part that works."""


class Warned(str):
    """Text of a part that works, with a warning."""

    __slots__ = ()


class Fresh(str):
    """Text of a part that the first start makes."""

    __slots__ = ()
