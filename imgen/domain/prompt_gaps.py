"""Gaps that names leave in a term: closes them, with the brackets, quotes, weights and separators of the name alone."""

import re

GAP = "\0"
"""Place of a name that was taken out; no prompt has it, because control characters become spaces before."""
_PAIRS = {")": "(", "]": "[", "}": "{"}
_TOKEN = re.compile(r"\\[()]|[(\[{]|(?::[\d.]+)?\)|[\]}]|\0|\s+|[^\s\0()\[\]{}\\:]+|.", re.DOTALL)
_GAPS = re.compile(r"\0(?: ?\0)*")
_QUOTED = re.compile(r"""(["'])\0\1|“\0”|‘\0’|«\0»|„\0[“”]|「\0」|『\0』|<\0>""")
_AFTER_BRACKET = re.compile(r"(?<=[(\[{])\0(?: ?[,，、،])? ?")
_STRAY_WEIGHT = re.compile(r"\0:\.?\d[\d.]*(?![\d.]*\))")
_BEFORE_END = re.compile(r"[,，、،]? ?\0 ?(?=[,，、،)\]}]|:[\d.]+\))| \0(?=[\"'”’»」』>])")


def close_gaps(text: str) -> str:
    r"""Closes every gap; the words around one are single-spaced. Takes linear time.

    Example:
        `(\0:1.2) coat` becomes `coat`, `(red coat, \0:1.2)` becomes `(red coat:1.2)`.
    """
    text = _GAPS.sub(GAP, " ".join(text.split()))
    text = _GAPS.sub(GAP, _without_empty_brackets(_QUOTED.sub(GAP, text)))
    text = _BEFORE_END.sub("", _AFTER_BRACKET.sub("", _STRAY_WEIGHT.sub(GAP, text)))
    return " ".join(text.replace(GAP, " ").split())


def _without_empty_brackets(text: str) -> str:
    """Replaces brackets that hold only gaps by a gap, from the innermost outwards, with the weight of each."""
    kept: list[str] = []
    opened: list[tuple[int, str]] = []
    """Open brackets: index in `kept`, sign."""
    filled = [False]
    """For the text and each open bracket: whether it holds more than gaps."""
    for token in _TOKEN.findall(text):
        if token in _PAIRS.values():
            opened.append((len(kept), token))
            filled.append(False)
        elif opened and _PAIRS.get(token[-1]) == opened[-1][1]:
            at, _ = opened.pop()
            if not filled.pop() and GAP in kept[at:]:
                kept[at:] = [GAP]
                continue
            filled[-1] = True
        elif token != GAP and not token.isspace():
            filled[-1] = True
        kept.append(token)
    return "".join(kept)
