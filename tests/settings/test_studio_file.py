"""config/studio.toml, and the operator's file over it."""

import pytest

from imgen import configuration, settings
from imgen.cli.doctor import files
from imgen.cli.doctor.finding import Warned
from imgen.domain.errors import ConfigurationError
from imgen.domain.studio import MODES, missing_names

OWN = """
[modes.avatar]
credits = 3

[presets.anime]
strength = 0.9
model = "flux"

[presets.clay]
label = "Clay"
words = "clay figure"
strength = 0.5
style = "stop-motion"
"""


def load(folder):
    return configuration.load(settings.load(folder, environ={}))


def test_the_shipped_file_has_all_modes_and_presets(tmp_path):
    """All that it names is there."""
    read = load(tmp_path)
    assert tuple(read.studio.modes) == MODES
    assert list(read.studio.presets) == ["anime", "soft-3d", "oil-paint"]
    assert missing_names(read.studio, read.catalog) == []


def test_an_own_file_adds_to_the_shipped_one(tmp_path):
    """Field by field; doctor warns of models and styles that it names and nobody has."""
    assert not isinstance(files.studio(settings.load(tmp_path, environ={})), Warned)
    (tmp_path / "studio.toml").write_text(OWN)
    studio = load(tmp_path).studio
    assert (studio.modes["avatar"].credits, studio.modes["avatar"].label) == (3, "Avatar")
    assert (studio.presets["anime"].strength, studio.presets["anime"].label) == (0.9, "Anime")
    told = files.studio(settings.load(tmp_path, environ={}))
    assert isinstance(told, Warned)
    assert told.splitlines() == [
        "4 modes; presets anime, soft-3d, oil-paint, clay",
        "preset anime: model flux is not configured",
        "preset clay: model eros has no style stop-motion",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[modes.avatars]\nstrength = 1", "there is no mode 'avatars', only style, avatar, product, enhance; did you"),
        ("[mode.avatar]\nstrength = 1", "there is no table 'mode', only modes, presets; did you mean 'modes'?"),
        (
            "[modes.avatar]\nstrenght = 1",
            "[avatar]: Object contains unknown field `strenght`; did you mean 'strength'?",
        ),
        ("[modes.avatar]\nstrength = 2", "[avatar]: Expected `float` <= 1"),
        ("[presets.clay]\nlabel = 'Clay'\nstrength = 0.5", "[clay]: Object missing required field `words`"),
        ("presets = 5", "presets is no table; write [presets.NAME]"),
        ("[modes", "not TOML"),
    ],
    ids=ascii,
)
def test_an_error_names_the_file_in_the_data_folder(tmp_path, text, message):
    """The operator looks where the mistake is."""
    (tmp_path / "studio.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'studio.toml'}: {message}")
