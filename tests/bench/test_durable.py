"""Benchmark of the watermark's durability: it goes on where it stopped, and a change of the reader makes results void."""

import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from bench.durable import survival, unmarked
from bench.durable.changes import CHANGES, Change
from bench.durable.photographs import Photograph, compose
from bench.durable.pictures import Pixels, drawing, makers
from bench.durable.results import Results, digest_of_reader

TWO = {"drawings": 2, "colour": 0, "synthetics": 0, "copies": 0, "grey": 0}
FEW = [change for change in CHANGES if change.name in {"none", "JPEG 75", "× 0.75, JPEG 75"}]


def survive(file):
    results = Results(file)
    survival.run(pictures=TWO, changes=FEW, until=float("inf"), results=results, with_starter=False)
    return list(survival.rows(results))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Results of two pictures."""
    file = tmp_path_factory.mktemp("durable") / "table"
    survive(file)
    return file


def test_two_pictures_survive(file):
    """The searches read what the plain read and the package's decoder lose; the table counts each picture once."""
    rows = list(survival.rows(Results(file)))
    assert Counter(row["picture"] for row in rows) == {"drawing-0": 3, "drawing-1": 3}
    resized = [row for row in rows if row["change"].startswith("×")]
    assert [(row["plain"], row["searched"]) for row in resized] == [(False, True)] * 2
    assert [row["package"] for row in resized] == [False, None]
    assert not any(row["wrong"] for row in rows)
    assert "| × 0.75, JPEG 75 | 0 / 2 / 2 | 0 / 1 |" in survival.table(rows, FEW).splitlines()


def test_a_second_run_measures_nothing_again(file):
    """Results are read from the file, and nothing is added to it."""
    before = file.read_bytes()
    assert len(survive(file)) == 6
    assert file.read_bytes() == before


def test_unmarked_crops_are_read(tmp_path):
    """Each picture's crops are counted; the smallest chance of each search is kept, above the limit at which it would be taken."""
    results = Results(tmp_path / "unmarked")
    unmarked.run(pictures=2, rounds=1, crops=2, until=float("inf"), results=results, with_starter=False)
    rows = unmarked.rows(results, is_deep=False)
    assert rows
    for row in rows:
        assert (row["crops"], row["found"]) == (2, [])
        assert {"exact", "steps", "crop"} <= set(row["smallest"])
        assert all(-90 < chance <= 0 for chance in row["smallest"].values())
    assert not unmarked.rows(results, is_deep=True)  # another reader


def test_time_is_over(tmp_path):
    """After its time no picture is begun."""
    results = Results(tmp_path / "unmarked")
    unmarked.run(pictures=2, rounds=1, until=time.monotonic() - 1, results=results)
    assert not results.rows


def test_readers_differ():
    """The deep search is code of its own: a change of it leaves the other results valid."""
    assert digest_of_reader(is_deep=False) != digest_of_reader(is_deep=True)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_change(change: Change):
    """A picture arrives in the size that its change says."""
    pixels: Pixels = drawing(0).pixels[:400, :600]
    height, width, _ = change.apply(pixels, np.random.default_rng(1)).shape
    assert width == pytest.approx(600 * change.keeps**0.5 * change.scale, abs=2)
    assert height == pytest.approx(400 * change.keeps**0.5 * change.scale, abs=2)


def test_photographs_side_by_side():
    """Windows of small photographs fill the whole size; none is enlarged."""
    small = Photograph(name="red", image=Image.new("RGB", (300, 200), (200, 0, 0)), is_grey=False)
    pixels, sources = compose(np.random.default_rng(1), (small,), (1344, 768))
    assert (pixels == (200, 0, 0)).all()
    assert sources == ("red",)


def test_classes_are_mixed():
    """Wherever a run is cut off, each class has had its share."""
    kinds = [maker.__name__ for maker, _ in makers(**TWO | {"drawings": 8, "synthetics": 4}, with_starter=False)]
    assert Counter(kinds[:6]) == {"drawing": 4, "synthetic": 2}
