"""Pages of docs/: Markdown files as HTML with a table of contents. Raw HTML in them is shown as text."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

DOCS = Path(__file__).resolve().parents[3] / "docs"
"""Folder beside imgen/ in a checkout; an installation from a wheel has none."""
FIRST = "action"
"""Name of the first page; all others are sorted by name."""
PICTURES = "pictures"
"""Folder of docs/ with the pages' pictures."""
_LINK = re.compile(r"(!?)\[([^\]]+)\]\((?!https?:|#|/)([^)\s#]+)(#[^)\s]*)?\)")
"""Link to another file: `!` for a picture, text, path and anchor."""


class Heading(NamedTuple):
    """Entry of a table of contents."""

    level: int
    anchor: str
    text: str


class Page(NamedTuple):
    """Page made from a file of docs/."""

    name: str
    """Path under /docs: the file's name; for a README those of its folders, such as `clients-forge`."""
    title: str
    summary: str
    """The text's first sentence, without markup."""
    text: str
    """Markdown whose links to other files of docs/ lead to their pages; links to files elsewhere are only their text."""
    html: str
    headings: tuple[Heading, ...]


def pages(folder: Path = DOCS) -> dict[str, Page]:
    """Returns all pages by name, in reading order; none if the folder is missing."""
    names = {path: _name(path.relative_to(folder)) for path in folder.rglob("*.md")}
    ordered = sorted(names, key=lambda path: (names[path] != FIRST, names[path]))
    return {names[path]: _page(path, names) for path in ordered}


def pictures(folder: Path = DOCS) -> dict[str, Path]:
    """Returns the pictures of the pages by file name."""
    return {path.name: path for path in (folder / PICTURES).glob("*.png")}


def section(page: Page, title: str) -> str:
    """Returns a page's part from that heading to the next one.

    Raises:
        LookupError: there is no such heading.
    """
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,6}} |\Z)", page.text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise LookupError(title)
    return found.group(2).strip()


def _name(path: Path) -> str:
    """Names a file of docs/ by its path there."""
    return "-".join(path.parent.parts) if path.stem == "README" else path.stem


def _page(path: Path, names: dict[Path, str]) -> Page:
    def to_page(link: re.Match[str]) -> str:
        is_picture, words, file, anchor = link.groups("")
        if is_picture:
            return f"![{words}](/docs/{PICTURES}/{Path(file).name})"
        name = names.get((path.parent / file).resolve())
        return words if name is None else f"[{words}](/docs/{name}{anchor})"

    text = _LINK.sub(to_page, path.read_text("utf-8"))
    markdown = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    tokens = markdown.parse(text)
    headings = _anchor(tokens)
    return Page(
        name=names[path],
        title=headings[0].text,
        summary=_first_sentence(tokens),
        text=text,
        html=markdown.renderer.render(tokens, markdown.options, {}),
        headings=tuple(heading for heading in headings if heading.level > 1),
    )


def _anchor(tokens: list[Token]) -> list[Heading]:
    """Sets the anchors of headings, in the form of code hosts, which the links in the files use."""
    headings = []
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open":
            text = _plain(content)
            anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            opening.attrSet("id", anchor)
            headings.append(Heading(int(opening.tag[1:]), anchor, text))
    return headings


def _first_sentence(tokens: list[Token]) -> str:
    paragraphs = (content for opening, content in pairwise(tokens) if opening.type == "paragraph_open")
    return re.split(r"(?<=\.) ", _plain(next(paragraphs)), maxsplit=1)[0]


def _plain(inline: Token) -> str:
    return "".join(child.content or " " for child in inline.children or () if child.nesting == 0)


class _Renderer(RendererHTML):
    """Renderer with wide blocks that scroll by keyboard."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return super().fence(tokens, idx, options, env).replace("<pre>", '<pre tabindex="0">', 1)

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return '<div class="scroll" tabindex="0">' + self.renderToken(tokens, idx, options, env)

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return self.renderToken(tokens, idx, options, env) + "</div>\n"
