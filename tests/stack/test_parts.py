"""The table of a stack's parts, by the settings."""

import tempfile

import pytest

from imgen import settings
from imgen.stack.parts import stack


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
