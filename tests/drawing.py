"""One picture by an engine, as most tests ask for it."""

from imgen.domain.errors import PictureFlagged
from workers.engines import Shot


def draw_one(engine, diffusion, on_step=lambda *_: None, *, source=None, mask=None):
    """Draws one picture; returns its pixels, or raises the verdict of the model's own safety checker."""
    (drawn,) = engine.render([Shot(diffusion=diffusion, source=source, mask=mask)], on_step)
    if isinstance(drawn, PictureFlagged):
        raise drawn
    return drawn.pixels
