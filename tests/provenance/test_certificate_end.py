"""End of the signing certificate: told in time, and nothing is signed after it."""

import datetime as dt

import pytest
from factories import make_manifest
from signing_chains import make_chain

from imgen.domain.errors import ConfigurationError
from imgen.provenance import encoding
from imgen.provenance.certificate_end import certificate_end, ending, ending_of_file
from imgen.provenance.signer import Signer, open_signer
from imgen.provenance.signing_contexts import MemoryContexts

END = dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (dt.timedelta(days=30), ""),
        (dt.timedelta(days=29), "ends on 2026-03-31"),
        (dt.timedelta(), "ended on 2026-03-31"),
    ],
)
def test_the_end_is_told_from_thirty_days_before(before, told):
    """Nothing earlier; then the day it ends, and from that moment that it is over."""
    sentence = ending(END, END - before)
    assert bool(sentence) == bool(told)
    assert told in sentence


def test_the_end_of_a_chain_is_that_of_its_first_certificate_to_end(tmp_path):
    """A leaf of five days under a root of more than a year."""
    make_chain(tmp_path, 5)
    left = certificate_end((tmp_path / "chain.pem").read_bytes()) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=4) < left < dt.timedelta(days=6)


def test_a_file_that_is_not_there_or_is_no_chain_says_nothing(tmp_path):
    """The panel's machine need not be the one that signs."""
    (tmp_path / "text.pem").write_text("nothing")
    now = dt.datetime.now(dt.UTC)
    assert (ending_of_file(tmp_path / "none.pem", now), ending_of_file(tmp_path / "text.pem", now)) == ("", "")


def test_nothing_is_signed_after_the_end(tmp_path, chain, small):
    """A signer whose certificate has ended since it was opened refuses picture and thumbnail, and names the day."""
    make_chain(tmp_path, -1)
    pem, key = (tmp_path / "chain.pem").read_bytes(), (tmp_path / "key.pem").read_bytes()
    ended, manifest = Signer(pem, *[MemoryContexts(pem, key, "es256")] * 2), make_manifest()
    body = encoding.encode(small, "jpeg", quality=90)
    with pytest.raises(ConfigurationError, match=r"ended on \d{4}-\d\d-\d\d"):
        ended.sign(body, "image/jpeg", manifest)
    picture = open_signer(chain.chain, chain.key).sign(body, "image/jpeg", manifest)
    with pytest.raises(ConfigurationError, match="ended on"):
        ended.sign_thumbnail(body, "image/jpeg", manifest, picture)
