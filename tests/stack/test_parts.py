"""The table of a stack's parts, by the settings."""

import tempfile

import pytest

from imgen import settings
from imgen.stack.parts import stack


def test_models_that_engines_elsewhere_draw_have_a_worker_of_their_own(tmp_path, monkeypatch):
    """They neither wait for a device nor hold one up."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "imgen.toml").write_text('[redis]\nurl = "redis://127.0.0.1:1"\n[cache]\nenabled = false\n')
    table = (
        'steps = { default = 4 }\nguidance = { default = 3.5 }\ndefault_style = "a"\nstyles = { a = { label = "A" } }\n'
    )
    (tmp_path / "models.toml").write_text(
        f'[flux]\nlabel = "x"\nbackend = "remote"\nengines = [{{ engine = "cluster" }}]\n{table}'
    )
    details = {part.name: part.detail for part in stack(settings.load(tmp_path, environ={}))}
    assert (details["render worker"], details["remote worker"]) == ("render.eros", "render.flux")


@pytest.mark.parametrize(
    ("cache", "is_started"),
    [("", True), ("enabled = false\n", False), ('base_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n', False)],
)
def test_an_embedder_is_started_only_where_one_is_asked(tmp_path, monkeypatch, cache, is_started):
    """A cache that is off, and one with an endpoint of its own, need none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "imgen.toml").write_text(f'[redis]\nurl = "redis://127.0.0.1:1"\n[cache]\n{cache}')
    names = [part.name for part in stack(settings.load(tmp_path, environ={}))]
    assert names == ["render worker", "finish worker", *(["embedder"] if is_started else []), "dispatcher", "api"]
