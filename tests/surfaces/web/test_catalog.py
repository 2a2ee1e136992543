"""The catalog page: tiers, models by name, and weights in the data folder that have a shipped name."""

import re

from servers.panel import open_panel
from weights_files import write_model

from imgen import configuration
from imgen.surfaces.web.catalog import Catalog


def test_a_shadow_of_shipped_weights_is_told(core, tmp_path):
    """With its path and what becomes of it, while it is there."""

    async def work(opened):
        async with open_panel(opened, [Catalog]) as browser:
            assert "shipped weights" not in (await browser.get("/panel/catalog")).text
            write_model(tmp_path / "var" / "models" / "starter")
            page = (await browser.get("/panel/catalog")).text
            assert "var/models/starter is not used" in page
            (tmp_path / "var" / "models.toml").write_text("[eros\n")
            assert (await browser.get("/panel/catalog")).status_code == 200

    core(work)


def test_tiers_and_models_by_name_are_listed(core):
    """Each tier with the model that draws it now and why it is another; models that cannot be pinned with the reason."""

    async def work(opened):
        async with open_panel(opened, [Catalog]) as browser:
            page = " ".join(re.sub(r"<[^>]+>", " ", (await browser.get("/panel/catalog")).text).split())
        for tier in opened.tiers.tiers.values():
            assert f"{tier.label} {tier.key} " in page
        assert "1024 × 768 2 60 s Drawn by" in page
        assert "Drawn by Eros (eros): none of flux-2-klein-4b, sdxl-base is configured" in page
        assert "FLUX.2 Klein 4B @cf/black-forest-labs/flux-2-klein-4b flux-2-klein-4b" in page
        assert "Model flux-2-klein-4b is not available: engines.toml has no engine workersai" in page

    core(work)


def test_a_model_drawn_elsewhere_shows_its_engines(core, tmp_path):
    """Each with its own name of the model or its workflow, and whether engines.toml has it; a model drawn here shows its source."""

    async def work(opened):
        folder = tmp_path / "var"
        (folder / "engines.toml").write_text('[cloud]\nkind = "openai"\n[comfy]\nkind = "comfyui"\n')
        (folder / "models.toml").write_text(
            '[far]\nlabel = "Far"\nbackend = "remote"\nsteps = { default = 4 }\nguidance = { default = 3.5 }\n'
            'default_style = "plain"\nstyles = { plain = { label = "Plain" } }\n'
            'engines = [{ engine = "cloud", model = "<big>" }, { engine = "comfy", workflow = "w.json" }, { engine = "gone" }]\n'
        )
        opened.reconfigure(configuration.load(opened.settings))
        async with open_panel(opened, [Catalog]) as browser:
            page = (await browser.get("/panel/catalog")).text
        shown = re.search(r"<h3>Far.*?</dl>", page, re.DOTALL)[0]
        told = "cloud: &lt;big&gt;; comfy: w.json; gone (not in engines.toml): –"
        assert f"<dt>Engines</dt><dd>{told}</dd>" in shown
        assert "Source" not in shown
        assert "<dt>Source</dt><dd>" in page

    core(work)
