"""Scores of image to image and inpainting, `python -m starter.modes`: true renders are redrawn by the included model.

At a size and the number of steps of the product: with smaller pictures or fewer steps a source shows through less. Sources are
renders, so that the coat's own pixels are known: those that change with its colour.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy import uint8
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imgen.domain.recipe import Diffusion, Input
from imgen.provenance.fingerprint import distance, fingerprint
from starter import scene
from starter.checkpoint import SEED, say
from starter.draw.figure import COLOURS
from starter.draw.picture import render
from starter.evaluation import FOLDERS, MODEL, catalog_from
from workers.engines import Drawn, Engine, EngineContext, Shot, load
from workers.engines.paste_back import SEAM_PX

PAIRS = 24
SIZE = 832, 1216
STEPS = 16
LITTLE, MUCH = 0.3, 0.9
"""Strengths of image to image; inpainting takes the greater one."""
BRUSH_PX = 9
"""Width by which the mask of a coat is larger than the coat, as one painted by hand."""

_Pixels = NDArray[uint8]


def main() -> None:
    """Prints both scores; some five minutes on two cores."""
    catalog = catalog_from(Path("config"))
    engine = load(catalog.models[MODEL], EngineContext(folders=FOLDERS))
    nearer = recoloured = kept = 0
    for number in range(PAIRS):
        shown, wanted = scenes(number)
        near, far = (
            distance(fingerprint(drawn).hash, fingerprint(render(shown, *SIZE)).hash)
            for drawn in (redraw(engine, shown, wanted, number, strength) for strength in (LITTLE, MUCH))
        )
        picture, mask = recolour(engine, shown, wanted.colour, number)
        nearer += near < far
        recoloured += colour_of(picture, mask) == wanted.colour
        beyond = beyond_seam(mask)
        kept += bool(np.array_equal(picture[beyond], render(shown, *SIZE)[beyond]))
        say(
            f"{number}: PDQ distance {near} and {far}; {shown.colour} coat, {wanted.colour} wanted, {colour_of(picture, mask)}"
        )
    say(f"{STEPS} steps, {SIZE[0]}×{SIZE[1]}")
    say(f"nearer to the source at {LITTLE} than at {MUCH}: {nearer}/{PAIRS}")
    say(f"coat in the colour asked for: {recoloured}/{PAIRS}; the same beyond mask and seam: {kept}/{PAIRS}")


def scenes(number: int) -> tuple[scene.Scene, scene.Scene]:
    """Returns the scene of a source, with a coat, and another one to be drawn from it, whose coat has another colour."""
    rng = np.random.default_rng((SEED, 14, number))
    colour, other = rng.choice(scene.COLOURS, 2, replace=False)
    fixed: dict[str, object] = {"shot": "full", "garment": "coat", "character": "", "things": ()}
    shown = scene.draw_lots(rng, **fixed, colour=str(colour), time="day", style="professional")
    return shown, scene.draw_lots(rng, **fixed, colour=str(other))


def redraw(engine: Engine, shown: scene.Scene, wanted: scene.Scene, seed: int, strength: float) -> _Pixels:
    """Draws a scene from the render of another one."""
    return _draw(engine, prompt_of(wanted), seed, strength, source=render(shown, *SIZE))


def recolour(engine: Engine, shown: scene.Scene, colour: str, seed: int) -> tuple[_Pixels, _Pixels]:
    """Redraws the coat of a render in another colour. Returns the picture and the mask of the coat."""
    source, mask = render(shown, *SIZE), coat_of(shown, colour)
    return _draw(engine, prompt_of(shown, colour), seed, MUCH, source=source, mask=mask), mask


def coat_of(shown: scene.Scene, colour: str) -> _Pixels:
    """Returns the mask, (height, width), of a scene's coat and a little around it: what changes with the colour."""
    source = render(shown, *SIZE)
    changed = (source != render(replace(shown, colour=colour), *SIZE)).any(axis=2)
    coat = changed & (_nearest(source) == list(COLOURS).index(shown.colour))  # and no shoes, which go with it
    grown = Image.fromarray(np.where(coat, 255, 0).astype(uint8)).filter(ImageFilter.MaxFilter(BRUSH_PX))
    return np.asarray(grown)


def prompt_of(shown: scene.Scene, colour: str = "") -> str:
    """Returns the words for a scene, in another colour where one is named."""
    return f"a {shown.person} in a {colour or shown.colour} coat, {shown.hair} hair, {shown.place}, {shown.time}, full body"


def colour_of(picture: _Pixels, mask: _Pixels) -> str:
    """Returns the outfit colour that is nearest to most pixels within a mask."""
    found = np.bincount(_nearest(picture)[mask > 0], minlength=len(COLOURS))
    return list(COLOURS)[int(found.argmax())]


def beyond_seam(mask: _Pixels) -> NDArray[np.bool_]:
    """Returns where the pixels must be the source's."""
    near = Image.fromarray(mask)
    for _ in range(SEAM_PX):
        near = near.filter(ImageFilter.MaxFilter(3))
    return np.asarray(near) == 0


def _nearest(picture: _Pixels) -> NDArray[np.intp]:
    """Returns, (height, width), the number of the outfit colour that is nearest to each pixel."""
    pixels = picture.astype(np.int32)
    return np.stack([((pixels - colour) ** 2).sum(axis=2) for colour in COLOURS.values()]).argmin(axis=0)


def _draw(engine: Engine, words: str, seed: int, strength: float, **pixels: _Pixels) -> _Pixels:
    diffusion = Diffusion(
        positive=words,
        negative="blurry, low quality",
        width=SIZE[0],
        height=SIZE[1],
        seed=seed,
        num_inference_steps=STEPS,
        guidance_scale=3.5,
        inputs=(Input(role="source", key="", sha256="", strength=strength),),
    )
    (drawn,) = engine.render([Shot(diffusion=diffusion, **pixels)], lambda *_: None)
    assert isinstance(drawn, Drawn)  # the starter has no safety checker
    return drawn.pixels


if __name__ == "__main__":
    main()
