"""Places of pages by name, as the query of a URL has them: the last row's id, a space, and its name as it is ordered."""

from imgen.records.name_pages import NamePlace


def format_place(place: NamePlace) -> str:
    """Writes the place at which the next page begins."""
    return f"{place.id} {place.folded}"


def parse_place(text: str) -> NamePlace | None:
    """Parses the place of a page; None, and so the first page: there is none."""
    row_id, _, folded = text.partition(" ")
    return NamePlace(folded, row_id) if folded else None
