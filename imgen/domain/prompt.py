r"""The prompt syntax: reads it into terms, writes it back, composes what the engine gets. Knows no meaning.

Where the contract (section 1) is silent:
- `,` and its CJK and Arabic sisters `，` `、` `،` separate terms; a line break is a space, not a separator.
- `- hat` and `--hat` mean `-hat`; a lone `-` is dropped.
- Commas inside balanced parentheses belong to the term. A parenthesis without its partner is dropped: weight parsers
  would let it reach over into the style's tags. `\(` and `\)` pass through and group nothing.
- `\` is special only directly before `@` or `-`, where it is taken away and the sign is text.
- A word starts at the beginning, after a space, a separator, an opening bracket or an opening quote.
- `-hat @aya` asks for Aya without a hat, `@aya -hat` as well. `-@aya` asks for no character: it is text.
- Control characters become spaces; zero-width spaces and lone surrogates, which no store can keep, are dropped.
"""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from imgen.domain.catalog import Character, Model, Style
from imgen.domain.errors import InvalidCharacter, PromptRequired, TooManyCharacters

_SEPARATORS = ",，、،"
_WORD_START = r"(?<![^\s,，、،(\[{<\"'“‘«„「『])"
_NAME = re.compile(
    _WORD_START + r"@(\w+(?:-\w+)*)(?:['’]s\b)?(?:(?!:\d)[^\w\s,，、،()\\@])*"  # possessive and punctuation go with it
)
_WEIGHT = re.compile(r":[\d.]+\)")
_SIGN_OR_MARK = re.compile(r"\\[()]|[()]|[,，、،]")
_SIGN = re.compile(r"^[-\s]+")
_ESCAPED = re.compile(r"\\([@-])")
_NEEDS_ESCAPE = re.compile(_WORD_START + r"@|(?<=\\)[@-]|\A-")
_DROPPED = re.compile("[\ufeff\u200b\u2060\ud800-\udfff]")
_LAST_WORD = re.compile(r"[\s,，、،][^\s,，、،]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Parsed(Struct, frozen=True, kw_only=True):
    """A prompt in its parts. Terms are stripped, single-spaced, unescaped and never empty."""

    character: str = ""
    """Configured key, or empty."""
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    """Without their `-`."""


class Term(Struct, frozen=True, kw_only=True):
    """What stands between two separators, before names are looked up."""

    text: str
    """Names taken out; empty where nothing but a name stood."""
    is_negative: bool
    names: tuple[str, ...]


def parse(prompt: str, characters: Iterable[str]) -> Parsed:
    """Reads a prompt; `characters` are the configured keys, matched without regard to case.

    Raises:
        InvalidCharacter: an `@name` that is not among `characters`.
        TooManyCharacters: two different names; the same one twice is fine.
        PromptRequired: neither a character nor a positive term.
    """
    terms = tuple(read_terms(prompt))
    keys = {key.casefold(): key for key in characters}
    asked = [keys.get(name.casefold()) for term in terms for name in term.names]
    if None in asked:
        raise InvalidCharacter
    if len(set(asked)) > 1:
        raise TooManyCharacters
    parsed = Parsed(
        character=(asked[0] or "") if asked else "",
        positive=tuple(term.text for term in terms if term.text and not term.is_negative),
        negative=tuple(term.text for term in terms if term.text and term.is_negative),
    )
    if not parsed.character and not parsed.positive:
        raise PromptRequired
    return parsed


def unparse(parsed: Parsed) -> str:
    """Writes the prompt that `parse` reads as these parts."""
    wanted = [_NEEDS_ESCAPE.sub(r"\\\g<0>", term) for term in parsed.positive]
    unwanted = ["-" + _NEEDS_ESCAPE.sub(r"\\\g<0>", term) for term in parsed.negative]
    if parsed.character and wanted and _says_something(wanted[0]):
        wanted[0] = f"@{parsed.character} {wanted[0]}"
    elif parsed.character:
        wanted.insert(0, f"@{parsed.character}")
    return ", ".join(wanted + unwanted)


def compose(
    parsed: Parsed, *, model: Model, style: Style, character: Character | None = None, negative: str = ""
) -> tuple[str, str]:
    """What the engine gets, positive and negative, in the contract's order; `negative` is the caller's explicit one."""
    who = character or Character(key="")
    return (
        _join(who.trigger, who.positive, *parsed.positive, style.quality_tags),
        _join(model.base_negative, style.negative_extra, who.negative, *parsed.negative, negative),
    )


def plain_terms(text: str, *, max_chars: int) -> tuple[str, ...]:
    """Positive terms out of somebody else's text, a language model's: names and negative terms are dropped.

    A longer text is cut behind the last whole word within `max_chars`; without spaces, at `max_chars`.
    """
    kept = text[:max_chars]
    if len(text) > max_chars and (last := _LAST_WORD.search(text[: max_chars + 1])):
        kept = text[: last.start()]
    return tuple(term.text for term in read_terms(kept) if term.text and not term.is_negative)


def read_terms(prompt: str) -> Iterator[Term]:
    """Every term in order. Refuses nothing, so reviewers see exactly what `parse` and the engine see. Linear time."""
    text = _balanced(_CONTROL.sub(" ", _DROPPED.sub("", prompt)))
    depth = start = 0
    for mark in _SIGN_OR_MARK.finditer(text):
        sign = mark.group()
        if sign in _SEPARATORS and not depth:
            yield _term(text[start : mark.start()])
            start = mark.end()
        depth += (sign == "(") - (sign == ")")
    yield _term(text[start:])


def _balanced(text: str) -> str:
    """The text without parentheses that have no partner."""
    opened: list[int] = []
    lonely: set[int] = set()
    for mark in _SIGN_OR_MARK.finditer(text):
        if mark.group() == "(":
            opened.append(mark.start())
        elif mark.group() == ")":
            if opened:
                opened.pop()
            else:
                lonely.add(mark.start())
    lonely.update(opened)
    return "".join(letter for at, letter in enumerate(text) if at not in lonely) if lonely else text


def _term(raw: str) -> Term:
    """Takes names out first and looks at the sign after: `@aya -hat` has a negative term."""
    names: list[str] = []
    text = raw.strip()
    is_negative = text.startswith("-")
    if is_negative:
        text = _SIGN.sub("", text)

    def take(match: re.Match[str]) -> str:
        if is_negative and match.start() == 0:
            return match.group()
        names.append(match[1])
        return " "

    text = " ".join(_NAME.sub(take, text).split())
    if names and not _says_something(text):
        text = ""
    if text.startswith("-") and not is_negative:
        is_negative, text = True, _SIGN.sub("", text)
    return Term(text=_ESCAPED.sub(r"\1", text), is_negative=is_negative, names=tuple(names))


def _says_something(text: str) -> bool:
    """`(@aya:1.2)` and `"@aya"` leave only brackets, quotes and a weight behind, which say nothing."""
    return any(map(str.isalnum, _WEIGHT.sub("", text)))


def _join(*parts: str) -> str:
    stripped = (part.strip(" \t\r\n,") for part in parts)
    return ", ".join(part for part in stripped if part)
