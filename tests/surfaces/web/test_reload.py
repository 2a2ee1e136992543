"""Reload of the operator's files from the panel: all that may change is read again, and a broken file is told by its name."""

import re
import shutil
from pathlib import Path

import pytest
from servers.chat import start_chat
from servers.local import prepare, run_with_core
from servers.panel import open_panel

from imgen import settings as layers
from imgen.domain.prompt import Parsed
from imgen.services.enhance import enhance
from imgen.services.reconcile import Reconciler
from imgen.surfaces.web.catalog import Catalog

CONFIG = Path(__file__).parents[3] / "config"
PROMPT = Parsed(positive=("red coat",))
BROKEN = {
    "prompts/words.toml": ("lights =", 'lights = [""]\nold_lights ='),
    "prompts/enhance.md": ("", b"\xff\xfe not UTF-8"),
    "cache.toml": ("negations =", "negation ="),
    "rulesets/default.toml": ("name =", "nam ="),
    "plans.toml": ("[", "[[["),
    "tiers.toml": ("credits =", "credit ="),
    "studio.toml": ("strength =", "strenght ="),
}
"""File → a text in it and what to put in its place; for the one without such a text, all of it."""


@pytest.fixture
def panel(tmp_path, clean_redis):
    """Runs a test with the core, the configuration folder, and a function that presses the button and gives the answer."""
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)

    def run(work, settings=""):
        prepare(tmp_path / "var", clean_redis, settings)
        loaded = layers.load(tmp_path / "var", environ={"IMGEN_CONFIG": str(config)})

        async def inside(core):
            async with open_panel(core, [Catalog]) as browser:
                await work(core, config, lambda: browser.post("/panel/catalog/reload"), browser)

        run_with_core(loaded, inside)

    return run


def edit(path, before, after):
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


async def enhanced(core):
    model = next(iter(core.catalog.models.values()))
    return await enhance(core.enhancer, PROMPT, model, model.styles[model.default_style])


def test_words_of_the_embedded_enhancer_are_read_again(panel):
    """The next prompt gets the new words."""

    async def work(core, config, press, _browser):
        for name in ("lights", "moods", "compositions", "details", "places"):
            text = (config / "prompts" / "words.toml").read_text("utf-8")
            changed = re.sub(rf"(?ms)^{name} = \[.*?^\]", f'{name} = ["under a violet sky"]', text)
            (config / "prompts" / "words.toml").write_text(changed, "utf-8")
        assert "under a violet sky" not in (await enhanced(core)).positive
        assert (await press()).status_code == 303
        assert "under a violet sky" in (await enhanced(core)).positive

    panel(work)


def test_instructions_of_the_chat_enhancer_are_read_again(panel):
    """The endpoint gets the new ones, in this process and in every other one."""
    with start_chat() as chat:
        settings = f'[enhancer]\nbase_url = "{chat.base_url}"\nmodel = "wordsmith"\n'

        async def work(core, config, press, _browser):
            chat.will()
            (config / "prompts" / "enhance.md").write_text("Say it in rhyme.", "utf-8")
            await press()
            await enhanced(core)
            (config / "prompts" / "enhance.md").write_text("Say it in prose.", "utf-8")
            await press()
            await Reconciler(core)._reload_configuration()
            await enhanced(core)
            assert [asked.said("system") for asked in chat.asked] == ["Say it in rhyme.", "Say it in prose."]

        panel(work, settings)


def test_words_of_the_caches_guard_are_read_again(panel):
    """A word that is listed as a negation now tells two prompts apart."""

    async def work(core, config, press, _browser):
        edit(config / "cache.toml", "negations = [", 'negations = [\n"sans",')
        await press()
        assert "sans" in core.configured.guard.negations
        assert core.cache._guard is core.configured.guard

    panel(work)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file_is_told_by_its_name_and_changes_nothing(panel, name):
    """The page answers 400 with the file and what is wrong in it; everything else stays in use, and the catalog is still shown."""

    async def work(core, config, press, browser):
        before, after = BROKEN[name]
        if isinstance(after, bytes):
            (config / name).write_bytes(after)
        else:
            edit(config / name, before, after)
        old = core.configured
        answer = await press()
        assert answer.status_code == 400
        assert "The old configuration stays" in answer.text
        assert f"{config / name}" in answer.text
        assert core.configured is old
        shown = await browser.get("/panel/catalog")
        assert shown.status_code == 200
        assert "default" in shown.text
        assert await enhanced(core) is not None

    with start_chat() as chat:
        chat.will()
        given = f'[enhancer]\nbase_url = "{chat.base_url}"\nmodel = "wordsmith"\n' if name.endswith(".md") else ""
        panel(work, given)


@pytest.mark.parametrize("name", ["prompts/words.toml", "prompts/enhance.md", "cache.toml"])
def test_missing_file_is_told_by_its_name(panel, name):
    """Removed by mistake."""

    async def work(_core, config, press, _browser):
        (config / name).unlink()
        answer = await press()
        assert (answer.status_code, f"{config / name}: cannot be read" in answer.text) == (400, True)

    panel(work, '[enhancer]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "wordsmith"\n')
