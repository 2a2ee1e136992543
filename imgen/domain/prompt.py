r"""Prompt syntax: parsing into terms, writing them back, and composing the engine's prompts. Knows no meaning.

Where the contract (section 1) is silent:
- `,` and its CJK and Arabic sisters `，` `、` `،` separate terms; a line break is a space, not a separator.
- `- hat` and `--hat` mean `-hat`; a `-` alone is dropped.
- Commas inside balanced parentheses belong to the term. An unbalanced parenthesis is dropped: weight parsers would
  extend its weight to the style's tags. `\(` and `\)` pass through and group nothing.
- `\` is special only directly before `@` or `-`: it is dropped, and the sign is text.
- A word starts at the beginning, after a space, a separator, an opening bracket or an opening quote.
- `-hat @aya` and `@aya -hat` both ask for Aya without a hat. `-@aya` and `-(@aya:1.2)` name no character: they are text.
- Control characters become spaces. Zero-width spaces are dropped, and LOST characters, because no store can keep them.
- A name leaves nothing of its own behind: `(@aya:1.2) coat` and `"@aya" coat` are `coat`, `(coat, @aya:1.2)` is `(coat:1.2)`.
"""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from imgen.domain.catalog import Character, Model, Style
from imgen.domain.errors import InvalidCharacter, PromptRequired, TooManyCharacters
from imgen.domain.prompt_gaps import GAP, close_gaps

_SEPARATORS = ",，、،"
_WORD_START = r"(?<![^\s,，、،(\[{<\"'“‘«„「『])"
_NAME = re.compile(
    _WORD_START + r"@(\w+(?:-\w+)*)(?:['’]s\b)?"  # a possessive goes with the name, and punctuation, but for
    r"(?:(?!:[\d.])[^\w\s,，、،()\[\]{}<>\"'“”‘’«»„「」『』\\@])*"  # brackets, quotes and a weight
)
_WEIGHT = re.compile(r":[\d.]+\)")
_BRACKET_OR_SEPARATOR = re.compile(r"\\[()]|[()]|[,，、،]")
_SIGN = re.compile(r"^[-\s]+")
_ESCAPED = re.compile(r"\\([@-])")
_NEEDS_ESCAPE = re.compile(_WORD_START + r"@|(?<=\\)[@-]|\A-")
LOST = re.compile("[\uffff\ud800-\udfff]")
"""Lone surrogates, and the noncharacter that a decoder puts in their place."""
_DROPPED = re.compile("[\ufeff\u200b\u2060\uffff\ud800-\udfff]")
_OPENING = " ([{<\"'“‘«„「『"
_LAST_WORD = re.compile(r"[\s,，、،][^\s,，、،]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Parsed(Struct, frozen=True, kw_only=True):
    """Prompt in its parts. Terms are stripped, single-spaced, unescaped and never empty."""

    character: str = ""
    """Key of a configured character, or empty."""
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    """Without their `-`."""


class Term(Struct, frozen=True, kw_only=True):
    """Text between two separators, before its names are looked up."""

    text: str
    """Text without names; empty if it was only a name."""
    is_negative: bool
    names: tuple[str, ...]


def parse(prompt: str, characters: Iterable[str]) -> Parsed:
    """Parses a prompt; `characters` are the configured keys, matched without regard to case.

    Raises:
        InvalidCharacter: an `@name` that is not among `characters`.
        TooManyCharacters: two different names; the same one twice is fine.
        PromptRequired: neither a character nor a positive term.
    """
    terms = tuple(parse_terms(prompt))
    keys = {key.casefold(): key for key in characters}
    named = [keys.get(name.casefold()) for term in terms for name in term.names]
    if None in named:
        raise InvalidCharacter
    if len(set(named)) > 1:
        raise TooManyCharacters
    parsed = Parsed(
        character=(named[0] or "") if named else "",
        positive=tuple(term.text for term in terms if term.text and not term.is_negative),
        negative=tuple(term.text for term in terms if term.text and term.is_negative),
    )
    if not parsed.character and not parsed.positive:
        raise PromptRequired
    return parsed


def plain(prompt: str) -> Parsed:
    """Parses a text in which `@` and `-` mean nothing: all of its terms are positive.

    Raises:
        PromptRequired: there is none.
    """
    terms = (" ".join(raw.split()) for raw in _split(prompt))
    parsed = Parsed(positive=tuple(term for term in terms if term))
    if not parsed.positive:
        raise PromptRequired
    return parsed


def unparse(parsed: Parsed) -> str:
    """Writes the prompt that `parse` parses into these parts."""
    positive = [_NEEDS_ESCAPE.sub(r"\\\g<0>", term) for term in parsed.positive]
    negative = ["-" + _NEEDS_ESCAPE.sub(r"\\\g<0>", term) for term in parsed.negative]
    if parsed.character and positive and _has_words(positive[0]):
        positive[0] = f"@{parsed.character} {positive[0]}"
    elif parsed.character:
        positive.insert(0, f"@{parsed.character}")
    return ", ".join(positive + negative)


def compose(
    parsed: Parsed, *, model: Model, style: Style, character: Character | None = None, negative: str = ""
) -> tuple[str, str]:
    """Composes the engine's positive and negative prompt, in the contract's order; `negative` is the caller's explicit one.

    The negative is empty if the model's entry says that it uses none.
    """
    drawn = character or Character(key="")
    negatives = (model.base_negative, style.negative_extra, drawn.negative, *parsed.negative, negative)
    return (
        _join(drawn.trigger, drawn.positive, *parsed.positive, style.quality_tags),
        _join(*negatives) if model.negative_prompt else "",
    )


def plain_terms(text: str, *, max_chars: int) -> tuple[str, ...]:
    """Parses a language model's answer into positive terms; drops names and negative terms.

    A longer text is cut behind the last whole word within `max_chars`; without spaces, at `max_chars`.
    """
    kept = text[:max_chars]
    if len(text) > max_chars and (last := _LAST_WORD.search(text[: max_chars + 1])):
        kept = text[: last.start()]
    return tuple(term.text for term in parse_terms(kept) if term.text and not term.is_negative)


def parse_terms(prompt: str) -> Iterator[Term]:
    """Yields every term in order. Refuses nothing, so reviewers get exactly the terms of `parse` and the engine. Linear time."""
    return map(_term, _split(prompt))


def _split(prompt: str) -> Iterator[str]:
    """Yields the texts between separators."""
    text = _balanced(clean(prompt))
    depth = start = 0
    for mark in _BRACKET_OR_SEPARATOR.finditer(text):
        sign = mark.group()
        if sign in _SEPARATORS and not depth:
            yield text[start : mark.start()]
            start = mark.end()
        depth += (sign == "(") - (sign == ")")
    yield text[start:]


def clean(text: str) -> str:
    """Drops zero-width spaces and LOST characters; control characters become spaces."""
    return _CONTROL.sub(" ", _DROPPED.sub("", text))


def _balanced(text: str) -> str:
    """Drops unbalanced parentheses."""
    opened: list[int] = []
    unbalanced: set[int] = set()
    for mark in _BRACKET_OR_SEPARATOR.finditer(text):
        if mark.group() == "(":
            opened.append(mark.start())
        elif mark.group() == ")":
            if opened:
                opened.pop()
            else:
                unbalanced.add(mark.start())
    unbalanced.update(opened)
    return "".join(letter for at, letter in enumerate(text) if at not in unbalanced) if unbalanced else text


def _term(raw: str) -> Term:
    """Parses one term: names first, then the sign, because `@aya -hat` has a negative term."""
    names: list[str] = []
    text = raw.strip()
    is_negative = text.startswith("-")
    if is_negative:
        text = _SIGN.sub("", text)
    first = len(text) - len(text.lstrip(_OPENING))

    def take(match: re.Match[str]) -> str:
        if is_negative and match.start() <= first:
            return match.group()
        names.append(match[1])
        return GAP

    text = _NAME.sub(take, text)
    text = close_gaps(text) if names else " ".join(text.split())
    if names and not _has_words(text):
        text = ""
    if text.startswith("-") and not is_negative:
        is_negative, text = True, _SIGN.sub("", text)
    return Term(text=_ESCAPED.sub(r"\1", text), is_negative=is_negative, names=tuple(names))


def _has_words(text: str) -> bool:
    """Returns whether a text has more than the brackets, quotes and weight that `(@aya:1.2)` leaves without its name."""
    return any(map(str.isalnum, _WEIGHT.sub("", text)))


def _join(*parts: str) -> str:
    stripped = (part.strip(" \t\r\n,") for part in parts)
    return ", ".join(part for part in stripped if part)
