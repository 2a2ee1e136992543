"""The cache knows weights by content: files exchanged under the same name find no old picture."""

import shutil

import pytest
from weights_files import write_lora, write_model

from imgen.domain.catalog import parse_model
from imgen.live import weights
from imgen.services.semantic_cache.weights import weights_of
from imgen.weights.digest import joined


def model_of(source, **more):
    """A model of the engine that draws with weights."""
    table = {"label": "Own", "source": source, "steps": {"default": 4}, "guidance": {"default": 3.5}} | more
    return parse_model("own", table | {"default_style": "a", "styles": {"a": {"label": "A"}}})


@pytest.fixture
def folder(tmp_path):
    """A folder of weights with a model and a LoRA file of the operator's."""
    write_model(tmp_path / "var" / "models" / "own")
    write_lora(tmp_path / "var" / "models" / "zoe.safetensors")
    return tmp_path / "var" / "models"


def test_other_content_is_other_weights(core, folder):
    """Of the model and of the LoRA file, at once; the same content again is the same."""

    async def work(opened):
        model = model_of("own")

        async def both():
            return await weights_of(opened, model, ""), await weights_of(opened, model, "zoe.safetensors")

        plain, with_lora = await both()
        assert plain != with_lora
        write_lora(folder / "zoe.safetensors", value=1.0)
        assert (await both())[0] == plain
        assert (await both())[1] != with_lora
        write_lora(folder / "zoe.safetensors")
        assert await both() == (plain, with_lora)
        write_model(folder / "own", value=1.0)
        assert not {*await both()} & {plain, with_lora}

    core(work)


def test_another_component_is_other_weights(core, folder):
    """With other content, under another name of the model's, or none; beside a LoRA file, too."""

    async def work(opened):
        shutil.copytree(folder / "own" / "vae", folder / "my-vae")
        write_model(folder / "other", value=1.0)
        shutil.copytree(folder / "other" / "vae", folder / "other-vae")
        entries = [
            {},
            {"vae": "my-vae"},
            {"vae": "other-vae"},
            {"unet": "my-vae"},
            {"vae": "my-vae", "unet": "other-vae"},
        ]
        found = [
            await weights_of(opened, model_of("own", components=components), lora)
            for components in entries
            for lora in ("", "zoe.safetensors")
        ]
        assert None not in found
        assert len(set(found)) == len(found)
        shutil.rmtree(folder / "my-vae")
        shutil.copytree(folder / "other" / "vae", folder / "my-vae")
        assert await weights_of(opened, model_of("own", components={"vae": "my-vae"}), "") == found[4]

    core(work)


def test_a_component_that_lies_elsewhere_is_known_once_a_worker_has_told_it(core, folder):
    """As a model and a LoRA file are."""

    async def work(opened):
        model = model_of("own", components={"vae": "somebody/vae"})
        assert await weights_of(opened, model, "") is None
        await opened.live.run(weights.publish({"somebody/vae": "v"}))
        assert await weights_of(opened, model, "") is not None

    core(work)


def test_weights_that_lie_elsewhere_are_known_once_a_worker_has_told_them(core):
    """Until then no picture is looked up or kept: it might be of others."""

    async def work(opened):
        model = model_of("somebody/model")
        assert await weights_of(opened, model, "") is None
        await opened.live.run(weights.publish({"somebody/model": "m"}))
        assert await weights_of(opened, model, "") == "m"
        assert await weights_of(opened, model, "far.safetensors") is None
        await opened.live.run(weights.publish({"far.safetensors": "l"}))
        assert await weights_of(opened, model, "far.safetensors") == joined("m", "l")

    core(work)


def test_a_remote_models_identity_is_its_entry(core, tmp_path):
    """Another engine, another order, other options, another LoRA or another workflow are other weights; another price is not."""

    async def work(opened):
        first, second = {"engine": "a", "model": "x"}, {"engine": "b", "workflow": "own.json"}
        (tmp_path / "var" / "workflows").mkdir()
        (tmp_path / "var" / "workflows" / "own.json").write_text("{}")

        async def of(*engines, lora=""):
            return await weights_of(opened, model_of("", backend="remote", engines=engines), lora)

        plain = await of(first, second)
        assert plain == await of(first | {"price": 0.04}, second)
        others = [
            await of(first),
            await of(second, first),
            await of(first | {"options": {"quality": "high"}}, second),
            await of(first, second, lora="zoe.safetensors"),
        ]
        (tmp_path / "var" / "workflows" / "own.json").write_text('{"1": {}}')
        others.append(await of(first, second))
        assert len({plain, *others}) == 1 + len(others)

    core(work)
