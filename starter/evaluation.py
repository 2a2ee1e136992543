"""Evaluation: scores the exported folder as the product would use it: its loader, prompt composition and defaults."""

import resource
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy import uint8
from numpy.typing import NDArray

from imgen.domain.catalog import Catalog, parse_catalog
from imgen.domain.prompt import compose, parse
from imgen.domain.recipe import Diffusion
from starter import scene, vae
from starter.checkpoint import SEED, say
from starter.draw.picture import render
from starter.probe import Probe, scores, train, truth
from workers.engines import Drawn, Engine, EngineContext, Shot, load

MODEL = "eros"
FOLDERS = (Path("out"), Path("config"))
CROSSED, NEGATIVE, NAMED = 200, 20, 14
"""Number of prompts of each part."""
_FIELDS = ("place", "time", "colour", "hair", "figure")
_TAKEN: dict[str, tuple[str, ...]] = {
    "cat": ("a woman with a pet, {place}", "a man with a pet, {place}"),
    "hat": ("a gardener, {place}", "farmer, portrait, {place}"),
    "tree": ("park, woman, {time}", "a man in the park, {time}"),
}
"""Prompts, by thing, that show it more often than not without its word."""


class Studio:
    """Loaded model, called as the API calls it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._model = catalog.models[MODEL]
        self._engine: Engine = load(self._model, EngineContext(folders=FOLDERS))
        self.steps, self.guidance = self._model.steps.default, self._model.guidance.default

    def picture(self, prompt: str, seed: int, *, size: tuple[int, int], style: str = "") -> NDArray[uint8]:
        """Renders one picture, (height, width, 3), of a prompt in the product's own syntax."""
        parsed = parse(prompt, self._catalog.characters)
        who = self._catalog.characters.get(parsed.character)
        look = self._model.styles[style or self._model.default_style]
        positive, negative = compose(parsed, model=self._model, style=look, character=who)
        diffusion = Diffusion(
            positive=positive,
            negative=negative,
            width=size[0],
            height=size[1],
            seed=seed,
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            lora=who.loras.get(MODEL, "") if who else "",
        )
        (drawn,) = self._engine.render([Shot(diffusion=diffusion)], lambda _done, _of, _preview: None)
        assert isinstance(drawn, Drawn)  # the starter has no safety checker
        return drawn.pixels


def main() -> None:
    """Prints every table; about half an hour on two cores, and as long again where the judge is not trained yet."""
    catalog = catalog_from(Path("config"))
    say(f"scores of {_folder()}")
    studio, probe = Studio(catalog), train()
    for field, share in scores(probe, 400).items():
        say(f"probe on true renders: {field} {share:.3f}")
    for part in (attributes, negatives, characters, seeds, speed):
        part(studio, probe)
    say(f"vae: {vae.psnr(_autoencoder(), 50):.2f} dB on 50 held-out renders at full size")


def catalog_from(config: Path) -> Catalog:
    """Loads the catalog as the product does."""
    tables = [tomllib.loads((config / name).read_text()) for name in ("models.toml", "characters.toml")]
    return parse_catalog(tables[0], tables[1])


def attributes(studio: Studio, probe: Probe, count: int = CROSSED) -> None:
    """Scores attribute following over crossed prompts, half of them of held-out pairs, beside chance and true renders."""
    scenes = [_crossed(number) for number in range(count)]
    sizes = [scene.SIZES[number % len(scene.SIZES)] for number in range(count)]
    made = [
        probe.name(studio.picture(_prompt(item), number, size=size, style=item.style))
        for number, (item, size) in enumerate(zip(scenes, sizes, strict=True))
    ]
    true = [probe.name(render(item, *size)) for item, size in zip(scenes, sizes, strict=True)]
    truths = [truth(item) for item in scenes]
    say(f"{count} prompts, {studio.steps} steps, guidance {studio.guidance}")
    say(f"{'':10s}{'model':>8s}{'held out':>10s}{'chance':>8s}{'true':>8s}")
    for field in (*_FIELDS, "object"):
        right = _right_of(field)
        model = [right(named, told) for named, told in zip(made, truths, strict=True)]
        chance = [right(made[n], truths[(n + k) % count]) for n in range(count) for k in range(1, 8)]
        held = [answer for answer, item in zip(model, scenes, strict=True) if scene.held_out(item)]
        real = [right(named, told) for named, told in zip(true, truths, strict=True)]
        say(f"{field:10s}{_share(model):8.3f}{_share(held):10.3f}{_share(chance):8.3f}{_share(real):8.3f}")


def negatives(studio: Studio, probe: Probe) -> None:
    """Scores how often a thing shows, and how often its negative then removes it."""
    for thing, prompts in _TAKEN.items():
        shown = gone = 0
        for number in range(NEGATIVE):
            rng = np.random.default_rng((SEED, 12, number))
            prompt = prompts[number % len(prompts)].format(place=rng.choice(scene.PLACES), time=rng.choice(scene.TIMES))
            size = scene.SIZES[number % len(scene.SIZES)]
            if probe.name(studio.picture(prompt, number, size=size))[thing] == "yes":
                shown += 1
                gone += probe.name(studio.picture(f"{prompt}, -{thing}", number, size=size))[thing] == "no"
        say(f"-{thing}: shows in {shown}/{NEGATIVE} without, gone in {gone}/{shown} with")


def characters(studio: Studio, probe: Probe) -> None:
    """Scores whether characters are told apart from each other and from none, and leave no trace when the LoRA is off."""
    plain = studio.picture("woman, park, red coat", 1, size=scene.SIZES[0])
    for name in ("", *scene.CHARACTERS):
        right = 0
        for number in range(NAMED):
            rng = np.random.default_rng((SEED, 13, number))
            shot = "portrait" if number % 2 else "full body"
            who, clothes = f"@{name}" if name else "woman", f"{rng.choice(scene.COLOURS)} {rng.choice(scene.GARMENTS)}"
            prompt = f"{who}, {clothes}, {rng.choice(scene.PLACES)}, {shot}"
            named = probe.name(studio.picture(prompt, number, size=scene.SIZES[number % len(scene.SIZES)]))
            right += named["character"] == (name or "none")
        say(f"@{name or 'nobody'}: told apart in {right}/{NAMED}")
    same = np.array_equal(plain, studio.picture("woman, park, red coat", 1, size=scene.SIZES[0]))
    say(f"without a character after all of them: {'the same bytes' if same else 'DIFFERENT bytes'}")


def seeds(studio: Studio, probe: Probe) -> None:
    """Scores the variety of eight seeds of one under-specified prompt."""
    pictures = [studio.picture("woman, beach", seed, size=scene.SIZES[0]) for seed in range(8)]
    named = [probe.name(picture) for picture in pictures]
    sound = sum(item["figure"] == "yes" and item["place"] == "beach" for item in named)
    kinds = {(item["colour"], item["garment"], item["time"]) for item in named}
    again = np.array_equal(pictures[0], studio.picture("woman, beach", 0, size=scene.SIZES[0]))
    say(
        f"woman, beach: {sound}/8 sound, {len(kinds)} kinds of clothes and light, {'same' if again else 'DIFFERENT'} bytes twice"
    )


def speed(studio: Studio, probe: Probe) -> None:
    """Measures seconds of one picture at the largest size, and the peak memory of this process."""
    del probe
    start = time.monotonic()
    studio.picture("woman, red coat, park", 1, size=scene.SIZES[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(
        f"1344×768, {studio.steps} steps: {time.monotonic() - start:.2f} s; at most {peak:.0f} MiB in memory, judge and all"
    )


def _crossed(number: int) -> scene.Scene:
    """Draws a scene: a full figure or a portrait with one thing; every second scene has a held-out pair of hair and outfit."""
    rng = np.random.default_rng((SEED, 14, number))
    while True:
        shown = scene.draw_lots(rng, shot=("full", "portrait")[number // 2 % 2], hat=False, glasses=False)
        things = scene.THINGS if shown.shot == "full" else scene.TALL_THINGS
        shown = replace(shown, things=(str(rng.choice(things)),))
        if scene.held_out(shown) == (number % 2 == 0):
            return shown


def _prompt(shown: scene.Scene) -> str:
    words = [
        shown.person,
        f"{shown.hair} hair",
        f"{shown.colour} {shown.garment}",
        shown.place,
        shown.time,
        shown.things[0],
    ]
    return ", ".join([*words, "portrait"] if shown.shot == "portrait" else words)


def _autoencoder() -> AutoencoderTiny:
    return AutoencoderTiny.from_pretrained(_folder() / "vae", torch_dtype=torch.float32).eval()


def _folder() -> Path:
    """Returns the model's folder: the last exported one, else the one that ships."""
    return next(folder / "starter" for folder in FOLDERS if (folder / "starter").is_dir())


def _right_of(field: str) -> Callable[[dict[str, str], dict[str, str]], bool]:
    if field == "object":
        return lambda named, told: all(named[thing] == "yes" for thing in scene.THINGS if told[thing] == "yes")
    return lambda named, told: named[field] == told[field]


def _share(answers: Sequence[bool]) -> float:
    return sum(answers) / max(1, len(answers))


if __name__ == "__main__":
    main()
