"""Development certificate chain: one for an installation, whoever asks for it first."""

import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from servers.command import checked

from imgen import settings
from imgen.cli import doctor
from imgen.provenance import credentials
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


SIGN = """
import pathlib, sys
import numpy as np
from imgen.provenance import encoding, signer
from imgen.provenance.development_chain import make_development_chain
from imgen.provenance.history import WATERMARKED, created
from imgen.provenance.manifest import Manifest
folder = pathlib.Path(sys.argv[1])
actions = (created("m", ""), WATERMARKED)
manifest = Manifest(version="1", gen_id="g", actions=actions, watermark_id="0" * 12, fingerprint="0" * 64)
body = encoding.encode(np.zeros((64, 64, 3), np.uint8), "png", quality=90)
sys.stdin.readline()
make_development_chain(folder)
opened = signer.open_signer((folder / "chain.pem").read_bytes(), (folder / "key.pem").read_bytes())
sys.stdout.buffer.write(opened.sign(body, "image/png", manifest).body)
"""


def test_three_signers_opened_at_once_sign_under_one_anchor(tmp_path):
    """Worker processes that start together over an empty folder: none meets a half-written file, and all pictures are trusted."""
    command = [sys.executable, "-c", SIGN, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    signers = [subprocess.Popen(command, **pipes) for _ in range(3)]
    for signer in signers:
        signer.stdin.write(b"go\n")
        signer.stdin.flush()
    pictures = [signer.communicate(timeout=60)[0] for signer in signers]
    anchor = (tmp_path / "anchor.pem").read_bytes()
    assert [credentials.read(picture, "image/png", anchor).state for picture in pictures] == ["Trusted"] * 3


def test_key_is_that_of_the_chain_at_every_moment_of_its_making(tmp_path):
    """The chain appears last: who sees it finds its key and its anchor whole."""
    make_development_chain(tmp_path)
    found = contents(tmp_path)
    leaf = x509.load_pem_x509_certificates(found["chain.pem"])[0]
    assert load_pem_private_key(found["key.pem"], None).public_key() == leaf.public_key()
    ages = [(tmp_path / name).stat().st_mtime_ns for name in ("key.pem", "anchor.pem", "chain.pem")]
    assert ages == sorted(ages)


def test_files_that_lost_their_chain_are_set_aside(tmp_path):
    """An anchor that pictures in the world lead to is never overwritten, even if its chain was deleted."""
    make_development_chain(tmp_path)
    first = contents(tmp_path)
    (tmp_path / "chain.pem").unlink()
    make_development_chain(tmp_path)
    kept = {path.read_bytes() for path in tmp_path.glob("*.pem")}
    assert {first["anchor.pem"], first["key.pem"]} <= kept
    assert contents(tmp_path)["anchor.pem"] != first["anchor.pem"]


def test_migrate_makes_it_and_doctor_only_tells(tmp_path):
    """The commands that start a part prepare it; the one that looks leaves everything as it is."""
    data = tmp_path / "var"
    check, _ = doctor.CHECKS["credentials"]
    assert "development chain" in check(settings.load(data, environ={}))
    assert not (data / "credentials").exists()
    checked("migrate", "--data", str(data))
    made = contents(data / "credentials")
    check(settings.load(data, environ={}))
    checked("migrate", "--data", str(data))
    assert contents(data / "credentials") == made
