"""The catalog page: weights in the data folder that have a shipped name are told to administrators."""

from servers.panel import open_panel
from weights_files import write_model

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
