"""CSV: texts are no formulas in a spreadsheet, and come back as they were."""

import csv
import io

import pytest

from imgen.domain.csv_text import csv_text


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_is_a_formula(sign):
    """An apostrophe before it makes it text; numbers stay numbers, negative ones too."""
    text = csv_text(("name", "amount"), [(f"{sign}1+1", -2.5)])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["name", "amount"], [f"'{sign}1+1", "-2.5"]]


def test_other_texts_stay_as_they_are():
    """Also those with commas, quotes and line ends; nothing is an empty cell."""
    cells = ['a, "b"', "line\nline", "1=1", ""]
    text = csv_text(("a", "b", "c", "d"), [(*cells[:3], None)])
    assert list(csv.reader(io.StringIO(text, newline="")))[1] == cells
