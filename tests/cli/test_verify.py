"""Command `imgen verify`: its words for people and for pipes."""

import io
import json
import re

import numpy as np
import pytest
from factories import make_manifest
from PIL import Image
from servers.command import run_command

from imgen.provenance import credentials, encoding, watermark
from imgen.provenance.development_chain import make_development_chain
from imgen.provenance.inspection import inspect_picture
from imgen.provenance.signer import open_signer

MANIFEST = make_manifest()


@pytest.fixture
def signed(tmp_path):
    """A picture signed by the development chain of the data folder `var`, with a mark."""
    folder = tmp_path / "var" / "credentials"
    make_development_chain(folder)
    signer = open_signer((folder / "chain.pem").read_bytes(), (folder / "key.pem").read_bytes())
    pixels = np.random.default_rng(0).integers(0, 255, (512, 512, 3), dtype=np.uint8)
    body = encoding.encode(watermark.embed(pixels, MANIFEST.watermark_id), "jpeg", quality=95)
    return signer.sign(body, "image/jpeg", MANIFEST).body


@pytest.fixture
def verify(tmp_path):
    """Runs the command over a file of these bytes; gives its lines by their names, and its exit code."""

    def run(body, *options):
        (tmp_path / "picture [red].jpg").write_bytes(body)
        done = run_command("verify", str(tmp_path / "picture [red].jpg"), "--data", str(tmp_path / "var"), *options)
        return done.stdout, done.returncode

    return run


def test_trusted_picture_is_told_in_whole_lines(verify, signed):
    """Piped, every value stands whole in its line, the hash and a name with brackets too."""
    out, code = verify(signed)
    lines = out.splitlines()
    found = credentials.read(signed, "image/jpeg")
    assert (lines[0], code) == ("picture [red].jpg", 0)
    assert "credentials     Trusted (issuer Imgen)" in lines
    assert f"manifest        {found.manifest_id}" in lines
    steps = [line for line in lines if line.startswith("history")]
    assert steps == ["history         created by eros, drawn by a model", "history         watermarked"]
    assert "invisible mark  0123456789ab (confidence " in out
    assert "mark found      as it is; in " in out
    (pdq,) = (line for line in lines if line.startswith("PDQ"))
    assert len(pdq.split()[1]) == 64
    assert "because" not in out


def test_file_without_credentials_says_none_once(verify):
    """`None` and nothing glued to it; no confidence in a mark that is not there."""
    file = io.BytesIO()
    Image.new("RGB", (300, 300), "red").save(file, "JPEG")
    out, code = verify(file.getvalue())
    assert "credentials     None\n" in out
    assert "invisible mark  none\n" in out
    assert code == 1


def test_credentials_that_lie_elsewhere_are_none(verify):
    """XMP that points at a manifest makes no credentials, and the line says `None`."""
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="http://127.0.0.1:9/x"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    file = io.BytesIO()
    Image.new("RGB", (300, 300), "red").save(file, "JPEG", xmp=xmp.encode())
    assert "credentials     None\n" in verify(file.getvalue())[0]


def damaged(body, kind):
    """The signed file with its pixels or a statement damaged."""
    if kind == "pixels":
        return body[:-200] + bytes([body[-200] ^ 1]) + body[-199:]
    return body.replace(b"c2pa.created", b"c2pa.edited_")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pixels", "the picture was changed after it was signed (assertion.dataHash.mismatch)"),
        ("statement", "a statement was changed after it was signed (assertion.hashedURI.mismatch)"),
    ],
)
def test_reason_of_invalid_credentials_is_told(verify, signed, kind, reason):
    """In plain words, with the code of the specification."""
    out, _ = verify(damaged(signed, kind))
    assert "credentials     Invalid" in out
    assert "history" not in out
    assert f"because         {reason}\n" in out


def test_stranger_s_signature_says_why_it_is_not_trusted(verify, signed, tmp_path):
    """Whole, and signed by somebody whom this installation does not know."""
    for file in (tmp_path / "var" / "credentials").iterdir():
        file.unlink()
    out, _ = verify(signed)
    assert "credentials     Valid (issuer Imgen)" in out
    assert "leads to no root that this installation trusts (signingCredential.untrusted)" in out


def test_json_has_the_reasons(verify, signed):
    """Under `problems`, each with code and reason."""
    found = json.loads(verify(damaged(signed, "pixels"), "--json")[0])["credentials"]
    assert found["state"] == "Invalid"
    assert [problem["code"] for problem in found["problems"]] == ["assertion.dataHash.mismatch"]


@pytest.mark.parametrize("columns", ["40", "80"])
def test_terminal_gets_a_table_that_cuts_nothing(verify, signed, columns, monkeypatch):
    """A narrow terminal folds the hash; every digit is there."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    out, _ = verify(signed)
    whole = "".join(out.split()).replace("│", "")
    assert inspect_picture(signed).fingerprint.hash in whole
    assert "…" not in out


def test_cut_and_resized_pictures_need_the_deep_search(tmp_path):
    """Each file has its line of JSON in their order; without `--deep` the second one has no mark and the exit code is 1."""
    coarse = np.random.default_rng(0).integers(40, 215, (48, 84, 3), dtype=np.uint8)
    drawn = np.asarray(Image.fromarray(coarse).resize((1344, 768), Image.Resampling.BICUBIC))
    marked = watermark.embed(drawn, MANIFEST.watermark_id)
    cut = Image.fromarray(marked[20:750, 33:1301])
    cut.save(tmp_path / "cut.png")
    cut.resize((1014, 584), Image.Resampling.LANCZOS).save(tmp_path / "small.png")
    files = [str(tmp_path / "cut.png"), str(tmp_path / "small.png")]

    shallow = run_command("verify", *files, "--json", "--data", str(tmp_path / "var"))
    found = [json.loads(line) for line in shallow.stdout.splitlines()]
    assert [one["file"] for one in found] == ["cut.png", "small.png"]
    assert [one["mark"]["id"] for one in found] == [MANIFEST.watermark_id, None]
    assert shallow.returncode == 1
    assert "small.png carries neither credentials that we trust nor our mark" in shallow.stderr

    deep = run_command("verify", *files, "--deep", "--budget", "120", "--data", str(tmp_path / "var"))
    assert deep.returncode == 0
    assert "mark found      in a part, grid at 7, 4; in " in deep.stdout
    scale = re.search(r"mark found      in a part that was resized, scale (.+), grid at ", deep.stdout)[1]
    assert float(scale) == pytest.approx(0.8, abs=0.002)


def test_file_that_is_no_picture_does_not_keep_others_from_being_read(tmp_path, signed):
    """Its name and the reason are told at the end, with exit code 1."""
    (tmp_path / "text.jpg").write_bytes(b"text" * 50)
    (tmp_path / "signed.jpg").write_bytes(signed)
    done = run_command(
        "verify", str(tmp_path / "text.jpg"), str(tmp_path / "signed.jpg"), "--data", str(tmp_path / "var")
    )
    assert "credentials     Trusted" in done.stdout
    assert "text.jpg: Invalid image" in done.stderr
    assert done.returncode == 1
