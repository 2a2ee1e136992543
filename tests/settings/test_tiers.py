"""config/tiers.toml, and the operator's file over it."""

import pytest

from imgen import configuration, settings
from imgen.cli.doctor import files
from imgen.cli.doctor.finding import Warned
from imgen.domain.errors import ConfigurationError
from imgen.domain.tiers import TIERS, candidates, provider_of, tier_note, unavailable
from workers import engines
from workers.resources import engine_context

ORIGINAL = {
    "SDXL Lightning": "@cf/bytedance/stable-diffusion-xl-lightning",
    "FLUX.2 Klein 4B": "@cf/black-forest-labs/flux-2-klein-4b",
    "FLUX.2 Klein 9B": "@cf/black-forest-labs/flux-2-klein-9b",
    "FLUX.2 Dev": "@cf/black-forest-labs/flux-2-dev",
    "FLUX.1 Schnell": "@cf/black-forest-labs/flux-1-schnell",
    "Lucid Origin": "@cf/leonardo/lucid-origin",
    "Phoenix 1.0": "@cf/leonardo/phoenix-1.0",
    "DreamShaper 8": "@cf/lykon/dreamshaper-8-lcm",
    "SDXL Base 1.0": "@cf/stabilityai/stable-diffusion-xl-base-1.0",
    "Stable Diffusion 1.5 img2img": "@cf/runwayml/stable-diffusion-v1-5-img2img",
    "Stable Diffusion 1.5 inpainting": "@cf/runwayml/stable-diffusion-v1-5-inpainting",
}
GEMINI = {"Gemini 3.1 Flash Image": "gemini-3.1-flash-image", "Gemini 3 Pro Image": "gemini-3-pro-image"}
ENGINES = """
[workersai]
kind = "workersai"
base_url = "https://api.cloudflare.com/client/v4/accounts/0"

[gemini]
kind = "gemini"
"""
OWN = """
[ultra]
models = ["flux-2-dev"]
credits = 20

[selectable."@cf/leonardo/lucid-origin"]
model = "eros"

[selectable.mine]
label = "Mine"
model = "eros"
"""


def load(folder):
    loaded = settings.load(folder, environ={})
    return configuration.load(loaded)


def test_the_shipped_tiers_are_the_contracts(tmp_path):
    """Five, with their credits and sizes, 60 seconds each; the starter serves all of them, and that is told."""
    read = load(tmp_path)
    tiers = read.tiers.tiers
    assert tuple(tiers) == TIERS
    assert [tier.credits for tier in tiers.values()] == [1, 2, 4, 8, 10]
    assert [tier.size for tier in tiers.values()] == [
        (1024, 1024),
        (1024, 768),
        (1024, 768),
        (1024, 1024),
        (1024, 1024),
    ]
    assert {tier.time_limit_s for tier in tiers.values()} == {60}
    for tier in tiers.values():
        (only,) = candidates(tier, read.catalog)
        assert (only.model.key, only.is_stand_in) == ("eros", True)
        assert tier_note(tier, only).startswith("Drawn by Eros (eros): none of ")
        assert tier.size in only.model.all_sizes


def test_all_original_models_are_known_by_their_names(tmp_path):
    """None of them is configured on a fresh start, each with its reason; the starter can be pinned."""
    read = load(tmp_path)
    assert {entry.label: key for key, entry in read.tiers.selectable.items() if key != "starter"} == ORIGINAL | GEMINI
    for key in ORIGINAL.values():
        entry = read.tiers.selectable[key]
        assert entry.names
        absent = entry.model in ("sdxl-lightning", "flux-2-klein-4b", "flux-2-dev")
        reason = "not available: engines.toml has no engine workersai" if absent else "not configured"
        assert unavailable(entry, read.catalog) == f"Model {entry.model} is {reason}"
    assert unavailable(read.tiers.selectable["starter"], read.catalog) == ""


def test_each_tier_is_drawn_elsewhere_once_its_engine_is_named(tmp_path):
    """By the engine that is told as provider; without it the model is in no list, and the starter draws."""
    assert set(load(tmp_path).catalog.models) == {"eros"}
    (tmp_path / "engines.toml").write_text(ENGINES)
    read = load(tmp_path)
    assert read.catalog.absent == {}
    drawn = {key: candidates(tier, read.catalog)[0] for key, tier in read.tiers.tiers.items()}
    assert {key: one.model.key for key, one in drawn.items()} == {
        "draft": "sdxl-lightning",
        "standard": "flux-2-klein-4b",
        "premium": "flux-2-dev",
        "ultra": "gemini-3-1-flash-image",
        "ultra_plus": "gemini-3-pro-image",
    }
    tiers = read.tiers.tiers
    assert [provider_of(tiers[key], one.model, read.catalog) for key, one in drawn.items()] == [
        "workersai",
        "workersai",
        "workersai",
        "gemini",
        "gemini",
    ]
    assert all(candidates(tier, read.catalog)[-1].model.key == "eros" for tier in tiers.values())


def test_one_engine_serves_the_tiers_of_the_other(tmp_path):
    """Without Gemini the best model of Workers AI draws them."""
    (tmp_path / "engines.toml").write_text(ENGINES.partition("[gemini]")[0])
    read = load(tmp_path)
    assert read.catalog.absent == dict.fromkeys(
        ("gemini-3-1-flash-image", "gemini-3-pro-image"), "engines.toml has no engine gemini"
    )
    assert candidates(read.tiers.tiers["ultra_plus"], read.catalog)[0].model.key == "flux-2-dev"
    assert read.tiers.tiers["ultra_plus"].provider == ""


def test_the_shipped_entries_are_taken_by_their_engines(tmp_path):
    """Each asks for nothing that its engine refuses."""
    (tmp_path / "engines.toml").write_text(ENGINES)
    loaded = settings.load(tmp_path, environ={})
    catalog = configuration.load_catalog(loaded)
    context = engine_context(loaded, catalog, configuration.load_engines(loaded))
    for model in catalog.models.values():
        if model.is_remote:
            engines.check(model, context)


def test_a_model_of_the_operators_own_with_a_shipped_key_is_drawn_here(tmp_path):
    """Its source says so, as `imgen models add` writes it; no engine is asked for."""
    (tmp_path / "models.toml").write_text('[flux-2-dev]\nsource = "flux"\nsteps = { default = 30 }')
    catalog = load(tmp_path).catalog
    assert not catalog.models["flux-2-dev"].is_remote
    assert catalog.models["flux-2-dev"].source == "flux"
    assert "flux-2-dev" not in catalog.absent


def test_a_default_that_is_not_there_says_why(tmp_path):
    """An engine is missing, not the model."""
    (tmp_path / "imgen.toml").write_text('default_model = "flux-2-dev"')
    loaded = settings.load(tmp_path, environ={})
    with pytest.raises(ConfigurationError, match="flux-2-dev is not available: engines.toml has no engine workersai"):
        configuration.load_catalog(loaded)


def test_an_entry_of_the_operators_with_a_wrong_engine_stays(tmp_path):
    """Doctor and its jobs tell the mistake."""
    (tmp_path / "models.toml").write_text('[[flux-2-dev.engines]]\nengine = "nowhere"\nmodel = "x"')
    assert "flux-2-dev" in load(tmp_path).catalog.models


def test_an_own_file_adds_to_the_shipped_one(tmp_path):
    """Field by field."""
    (tmp_path / "tiers.toml").write_text(OWN)
    read = load(tmp_path)
    ultra, lucid = read.tiers.tiers["ultra"], read.tiers.pinned("lucid-origin")
    assert (ultra.credits, ultra.models, ultra.size) == (20, ("flux-2-dev",), (1024, 1024))
    assert candidates(ultra, read.catalog) == []
    assert (lucid.model, lucid.label, unavailable(lucid, read.catalog)) == ("eros", "Lucid Origin", "")
    assert read.tiers.pinned("mine").model == "eros"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ultra]\ncredit = 2", "[ultra]: Object contains unknown field `credit`; did you mean 'credits'?"),
        ("[ultra]\nratios = ['5:4']", "[ultra]: Invalid enum value '5:4' - at `$.ratios[0]`"),
        ("[ultra]\nsize = [100, 100]", "[ultra]: size 100 × 100"),
        ("[ultraplus]\ncredits = 2", "there is no tier 'ultraplus', only draft, standard, premium, ultra, ultra_plus; did"),
        ("ultra = 5", "ultra is no table; write [ultra] and its fields below"),
        ("selectable = 5", "selectable is no table; write [selectable.NAME]"),
        ("[selectable.mine]\nlabel = 'M'", "[mine]: Object missing required field `model`"),
        ("[selectable.mine]\nlabel = 'M'\nmodel = 'eros'\nnames = ['sdxl']", "more than one model is called sdxl"),
        ("[ultra", "not TOML"),
    ],
    ids=ascii,
)  # fmt: skip
def test_an_error_names_the_file_in_the_data_folder(tmp_path, text, message):
    """The operator looks where the mistake is."""
    (tmp_path / "tiers.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'tiers.toml'}: {message}")


def test_doctor_tells_the_model_of_each_tier(tmp_path):
    """A tier that nothing draws is a warning."""
    fresh = files.tiers(settings.load(tmp_path, environ={}))
    assert not isinstance(fresh, Warned)
    assert "ultra: Drawn by Eros (eros): none of gemini-3-1-flash-image, flux-2-dev, phoenix-1-0 is configured" in fresh
    assert "1 of 14 selectable models are configured" in fresh
    (tmp_path / "tiers.toml").write_text(OWN)
    own = files.tiers(settings.load(tmp_path, environ={}))
    assert isinstance(own, Warned)
    assert "ultra: Unavailable: none of flux-2-dev is configured" in own
