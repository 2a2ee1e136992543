"""Example prompt of README, reference, demo and playground: the starter model draws all of it and leaves the hat away."""

from collections.abc import Collection

CHARACTER = "bella"
"""Character of the example: Aya's beret would belie the negative term."""
POSITIVE, NEGATIVE = "red coat, on the beach, at sunset", "hat"


def example_prompt(characters: Collection[str] = (CHARACTER,)) -> str:
    """Writes the example with CHARACTER, with another one that there is, or with none."""
    name = CHARACTER if CHARACTER in characters else next(iter(characters), "")
    return f"{f'@{name} ' if name else ''}{POSITIVE}, -{NEGATIVE}"
