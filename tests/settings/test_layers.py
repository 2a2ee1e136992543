"""Layers of TOML files: the operator's file adds to the shipped one field by field; errors name the file that is wrong."""

import pytest

from imgen import configuration, settings
from imgen.domain.engine_options import InstantOptions
from imgen.domain.errors import ConfigurationError
from imgen.settings.layers import overlay


def test_tables_are_overlaid_field_by_field():
    """Lists and numbers are replaced whole, tables below tables are overlaid like those above."""
    base = {"a": {"x": 1, "y": {"p": 1, "q": 2}}, "b": [1, 2], "c": 1}
    own = {"a": {"y": {"q": 3}, "z": 4}, "b": [5], "c": {"d": 1}}
    assert overlay(base, own) == {"a": {"x": 1, "y": {"p": 1, "q": 3}, "z": 4}, "b": [5], "c": {"d": 1}}


def test_an_empty_table_takes_all_away_within_a_table_alone():
    """`loras = {}` leaves a character without files; a table whose lines are all commented out changes nothing."""
    base = {"aya": {"label": "Aya", "loras": {"eros": "aya.safetensors"}}}
    assert overlay(base, {"aya": {"loras": {}}}) == {"aya": {"label": "Aya", "loras": {}}}
    assert overlay(base, {"aya": {}}) == base


def test_an_own_table_adds_to_the_shipped_one(tmp_path):
    """One field of a plan, a model or a character may be changed without repeating the others."""
    (tmp_path / "plans.toml").write_text(
        "[trial]\npictures_per_month = 7\n[packs]\npack_500.credits = 600\npack_9 = { label = '9', credits = 9 }\n"
    )
    (tmp_path / "models.toml").write_text('[eros.styles.noir]\nlabel = "Noir"\n')
    (tmp_path / "characters.toml").write_text('[aya]\nlabel = "Aya the Great"\n')
    shipped = configuration.load(settings.load(tmp_path / "none", environ={}))
    own = configuration.load(settings.load(tmp_path, environ={}))
    assert own.plans["trial"].pictures_per_month == 7
    assert own.plans["trial"].open_jobs == shipped.plans["trial"].open_jobs
    assert [*own.packs] == [*shipped.packs, "pack_9"]
    assert (own.packs["pack_500"].credits, own.packs["pack_500"].label) == (600, "Starter")
    assert [*own.catalog.models["eros"].styles] == [*shipped.catalog.models["eros"].styles, "noir"]
    assert own.catalog.characters["aya"].loras == shipped.catalog.characters["aya"].loras
    assert own.catalog.characters["aya"].label == "Aya the Great"


def test_options_of_the_shipped_engine_go_with_it(tmp_path):
    """`call` means something else to each engine."""
    (tmp_path / "models.toml").write_text('[eros]\nbackend = "instant"\ncall = {seconds = 1}\n')
    model = configuration.load_catalog(settings.load(tmp_path, environ={})).models["eros"]
    assert model.engine == InstantOptions(call={"seconds": 1})
    assert model.label == "Eros"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "plans.toml",
            "[trial]\nopen_job = 2",
            "[trial]: Object contains unknown field `open_job`; did you mean 'open_jobs'?",
        ),
        ("plans.toml", "[trial]\nopen_jobs = -2", "[trial]: Expected `int` >= 0 - at `$.open_jobs`"),
        (
            "plans.toml",
            "[trial]\nsurfaces = ['forge', 'gorge']",
            "[trial]: Invalid enum value 'gorge' - at `$.surfaces[1]`",
        ),
        ("plans.toml", "packs = 3", "packs is no table; write [packs.NAME]"),
        ("plans.toml", "[packs.mine]\ncredits = 0\nlabel = 'M'", "[mine]: Expected `int` >= 1 - at `$.credits`"),
        (
            "plans.toml",
            "[packs.pack_500]\ncredit = 1",
            "[pack_500]: Object contains unknown field `credit`; did you mean 'credits'?",
        ),
        ("plans.toml", "trial = 3", "trial is no table; write [trial] and its fields below"),
        ("plans.toml", "[mine]\nopen_jobs = 2", "[mine]: Object missing required field `label`"),
        ("plans.toml", "[standard", "not TOML: Expected ']' at the end of a table declaration"),
        ("models.toml", "[eros.steps]\nmax = 3", "[eros]: default 16 is not in the range from min 1 to max 3"),
        ("models.toml", "[eros]\nlabl = 'E'", "[eros]: Object contains unknown field `labl`; did you mean 'label'?"),
        ("models.toml", "[eros]\ndefault_style = 'x'", "[eros]: default_style 'x' is none of its styles"),
        (
            "characters.toml",
            "[aya]\ntriger = 'x'",
            "[aya]: Object contains unknown field `triger`; did you mean 'trigger'?",
        ),
    ],
)
def test_an_error_names_the_file_in_the_data_folder(tmp_path, name, text, message):
    """The operator looks where the mistake is, not into the shipped file."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        configuration.load(settings.load(tmp_path, environ={}))
    assert str(caught.value).startswith(f"{tmp_path / name}: {message}")


def test_an_error_of_the_shipped_file_names_that_one(tmp_path):
    """An own file beside it that says nothing of the table is not blamed."""
    config = tmp_path / "config"
    config.mkdir()
    for path in settings.DEFAULT_CONFIG.iterdir():
        (config / path.name).symlink_to(path)
    (config / "plans.toml").unlink()
    (config / "plans.toml").write_text('[standard]\nlabel = "S"\n[trial]\nlabel = "T"\npriority = 12\n')
    (tmp_path / "plans.toml").write_text('[standard]\nlabel = "Mine"\n')
    with pytest.raises(ConfigurationError) as caught:
        configuration.load(settings.load(tmp_path, environ={"IMGEN_CONFIG": str(config)}))
    assert str(caught.value).startswith(f"{config / 'plans.toml'}: [trial]: Expected `int` <= 9")


def test_a_file_in_another_encoding_is_told(tmp_path):
    """A file saved as Latin-1 is told with its name, not with a traceback."""
    (tmp_path / "imgen.toml").write_bytes('[credentials]\nauthor = "Zoë"\n'.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"imgen\.toml: not UTF-8 at byte 26"):
        settings.load(tmp_path, environ={})


def test_the_shipped_plans_and_packs(tmp_path):
    """Those that the contract names, with the figures that it gives; of them only the older plans leave out a limit of credits."""
    shipped = configuration.load(settings.load(tmp_path, environ={}))
    plans = shipped.plans
    assert {*plans} == {"free", "starter", "pro", "business", "team", "standard", "trial", "unlimited"}
    assert [(pack.key, pack.label, pack.credits) for pack in shipped.packs.values()] == [
        ("pack_500", "Starter", 500),
        ("pack_2500", "Builder", 2500),
        ("pack_10000", "Scale", 10000),
    ]
    assert (plans["free"].pictures_per_month, plans["pro"].pictures_per_month) == (100, 100)
    assert (plans["pro"].requests_per_minute, plans["business"].requests_per_minute) == (30, 120)
    assert (plans["pro"].max_export_px, plans["business"].max_export_px) == (2048, 4096)
    assert {key for key, plan in plans.items() if plan.surfaces} == {"free", "starter"}
    assert not any("studio" in plan.surfaces for plan in plans.values())
    assert plans["business"].seats > 1 < plans["team"].seats
