"""Text normalization for matching words: folding, readings with disguises undone, and patterns of lists of terms.

Folded text is lower-case words between single spaces, with a space at both ends: `" red coat "`. Terms match whole words only,
so "class", "grape" and "Scunthorpe" contain no other word.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import product

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef]"
)
_LONG_RUN = re.compile(r"([^\w\s]{30})[^\w\s]+")
"""Run of signs or combining marks, cut at 30: Python sorts a longer one in quadratic time, and no language stacks so many."""
_MARKS = re.compile("[\u0300-\u036f\u0640\u064b-\u065f\u0670\u093c]")
"""Combining diacritics of Latin, Greek and Cyrillic, vowel points of Arabic, the nukta of Devanagari; the voicing marks of kana
distinguish letters and stay."""
_WEIGHT = re.compile(r":\s*\d?\.\d+\s*\)")
_LETTER = "(?:[^\\W_]|[\u0900-\u0903\u093a-\u094f\u0962\u0963])"
"""Letter or digit, or a vowel sign of Devanagari, which Python does not count among the letters."""
_WORD = re.compile(f"{_LETTER}+")
_WORD_OR_STOP = re.compile(rf"{_LETTER}+|[,;\n，、。،؛|/]|[.!?…](?=\s|\Z)|(?<=\s)[-–—](?=\s)")
STOP = ","
"""The word that stands for the end of a clause in readings that keep stops."""
_SPACED_LETTERS = re.compile(r"(?<![\w@$])[\w@$](?:[^\w@$]{1,3}[\w@$](?![\w@$])){2,}")
_WORD_LENGTHS = range(4, 10)
"""Lengths of the words sought inside a run of single letters; shorter ones occur everywhere by chance."""
_NOT_LETTER = re.compile(r"[^\w@$]+")
_INSIDE_WORD = re.compile(r"(?<=[\w@$])[-.'’·•*/|~+^=]{1,3}(?=[\w@$])")
_TOKEN = re.compile(r"\S+")
_TRIPLE = re.compile(r"([^\W\d_])\1{2,}")
_EXCLAMATION = re.compile(r"!(?=\w)")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_KATAKANA = re.compile("[\u30a1-\u30fc]+")

_STROKED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d"}
    | {"ى": "ي", "ة": "ه", "\u0901": "\u0902"}
)
"""Latin letters that Unicode does not decompose; Arabic and Devanagari letters that writers interchange."""
_DIGITS = str.maketrans("034578@$", "oeastbas")
_LOOKALIKES = str.maketrans(
    "авсԁеһіјкӏмнорԛѕтухѵѡгпиь" + "αβγεηικμνορςτυχω" + "ոօսհց" + "ɑɡɩɪʟɴʀɢʙʜᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜱǝʏ",
    "abcdehijklmhopqstyxvwrnub" + "abyenikuvopstuxw" + "nouhg" + "agiilnrgbhacdejkmoptuvwzsey",
)
"""Cyrillic, Greek, Armenian and phonetic letters to the Latin ones they look like (after Unicode TR 39, shortened)."""


def readings(text: str, *, keeps_stops: bool = False) -> tuple[str, ...]:
    """Returns the folded readings of a text: first the text itself, then with disguises undone if it has any.

    With `keeps_stops` the end of each clause is a word of its own, STOP.

    Disguises are zero-width characters, look-alike letters (homoglyphs), digits and signs for letters, single letters that are
    spaced or dotted apart, punctuation inside words, and letters repeated three times or more. Linear time; ten at most.
    """
    found: dict[str, None] = {}
    word = _WORD_OR_STOP if keeps_stops else _WORD
    text = _WEIGHT.sub(")", text)  # or "(old age:1.2)" would give an age of one or two
    for shown in dict.fromkeys((_INVISIBLE.sub("", text), _INVISIBLE.sub(" ", text))):
        plain = _plain(shown)
        found[_words(plain, word)] = None
        for letter, times in product(
            "il" if "1" in plain else "i", (r"\1", r"\1\1") if _TRIPLE.search(plain) else ("",)
        ):
            plainer = _deobfuscate(plain, letter)
            found[_words(_TRIPLE.sub(times, plainer) if times else plainer, word)] = None
    return tuple(found)


def fold(text: str) -> str:
    """Folds case, accents, width and punctuation; undoes no disguise."""
    return _words(_plain(_INVISIBLE.sub("", text)))


def words_and_stops(text: str) -> tuple[str, ...]:
    """Returns the words of a text in lower case, accents kept, with STOP at the end of each clause."""
    return tuple(_words(unicodedata.normalize("NFKC", _LONG_RUN.sub(r"\1", text)).casefold(), _WORD_OR_STOP).split())


def compile_terms(terms: Iterable[str]) -> re.Pattern[str]:
    """Compiles a pattern that finds any of the terms in folded text.

    Latin, Cyrillic and Greek terms match whole words; a `*` at the end allows any ending (`undress*`), and a space in
    a term may be missing in the text. Chinese, Japanese and Korean terms match anywhere, since their words are not
    spaced; katakana terms only as a whole run of katakana. Without terms the pattern finds nothing.

    Raises:
        ValueError: a term holds no letter.
    """
    spaced: list[str] = []
    unspaced: list[str] = []
    for term in sorted(set(terms), key=lambda term: (-len(term), term)):
        words = fold(term.removesuffix("*")).strip()
        if not words:
            raise ValueError(f"term {term!r} holds no letter")
        if _KATAKANA.fullmatch(words):
            unspaced.append(f"(?<![\u30a1-\u30fc]){words}(?![\u30a1-\u30fc])")
        elif _UNSPACED.search(words):
            unspaced.append(words)
        else:
            spaced.append(words.replace(" ", " ?") + (r"\w*" if term.endswith("*") else ""))
    patterns = [f"(?<= )(?:{'|'.join(spaced)})(?= )"] if spaced else []
    patterns += [f"(?={_UNSPACED.pattern})(?:{'|'.join(unspaced)})"] if unspaced else []
    return re.compile("|".join(patterns) or r"(?!)")


def _plain(text: str) -> str:
    """Folds case, accents and width; keeps punctuation."""
    decomposed = unicodedata.normalize("NFKD", _LONG_RUN.sub(r"\1", text)).casefold()
    return unicodedata.normalize("NFC", _MARKS.sub("", decomposed)).translate(_STROKED)


def _words(plain: str, word: re.Pattern[str] = _WORD) -> str:
    """Drops punctuation; puts single spaces between words and at both ends. A stop becomes STOP if `word` finds stops."""
    found: list[str] = word.findall(plain)
    return f" {' '.join(STOP if word is _WORD_OR_STOP and not one[0].isalnum() else one for one in found)} "


def _deobfuscate(plain: str, one: str) -> str:
    """Undoes disguises other than repeated letters; `one` is the letter that the digit 1 stands for, `i` or `l`."""
    text = _SPACED_LETTERS.sub(_join_spaced_letters, plain.replace("_", " "))
    text = _INSIDE_WORD.sub("", text)
    return _TOKEN.sub(lambda token: _map_homoglyphs(token.group(), one), text)


def _join_spaced_letters(run: re.Match[str]) -> str:
    """Joins `n u d e` to one word, followed by every part of it with a usual word's length: it may be several words."""
    word = _NOT_LETTER.sub("", run.group())
    bare = [word[1:]] if word[0] in "ai" else []  # "a n u d e": an article, and a word of any length
    parts = (word[at : at + size] for size in _WORD_LENGTHS for at in range(len(word) - size + 1))
    return " ".join(dict.fromkeys((word, *bare, *parts)))


@lru_cache(maxsize=1 << 14)
def _map_homoglyphs(token: str, one: str) -> str:
    """Replaces digits, signs and look-alikes by the letters they stand for; look-alikes only if that makes the word Latin."""
    if not any(map(str.isalpha, token)):
        return token  # a number stays a number
    word = _EXCLAMATION.sub("i", token.translate(_DIGITS).replace("1", one))
    latin = word.translate(_LOOKALIKES)
    return latin if latin.isascii() else word
