"""Development certificate chain: one for an installation, whoever asks for it first."""

import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from imgen.provenance.development_chain import make_development_chain

FILES = ("anchor.pem", "chain.pem", "key.pem")


def contents(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def test_it_is_made_once(tmp_path):
    """Pictures signed before a restart stay trusted after it."""
    make_development_chain(tmp_path)
    first = contents(tmp_path)
    make_development_chain(tmp_path)
    assert contents(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_processes_that_start_together_agree(tmp_path):
    """The chain ends with the anchor, whichever process was first."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(make_development_chain, [tmp_path] * 8))
    found = contents(tmp_path)
    assert found["chain.pem"].endswith(found["anchor.pem"])


def test_a_broken_off_start_is_made_good(tmp_path):
    """A key without its chain, as a process leaves it that is killed amid the writes, is replaced."""
    (tmp_path / "key.pem").write_bytes(b"half a key")
    make_development_chain(tmp_path)
    assert contents(tmp_path)["key.pem"].startswith(b"-----BEGIN")
