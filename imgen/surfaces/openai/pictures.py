"""Pictures of a request to change one: the first is changed, the others are references, and a mask says where it is redrawn."""

from dataclasses import dataclass

from imgen.domain.catalog import Size
from imgen.domain.request import ReadPicture


@dataclass(frozen=True, kw_only=True)
class SentPictures:
    """Pictures that came with a request; none with one for pictures of a prompt."""

    source: ReadPicture | None = None
    references: tuple[ReadPicture, ...] = ()
    mask: ReadPicture | None = None
    """White where the source is redrawn."""
    sizes: tuple[Size, ...] = ()
    """Of the source and the references."""
