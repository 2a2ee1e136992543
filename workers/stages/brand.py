"""Branding: the caller's visible mark."""

from dataclasses import replace

from imgen.provenance.branding import lay, open_mark
from workers.picture import Context, Picture


def brand(picture: Picture, context: Context) -> Picture:
    """Lays the mark over the picture where the recipe has one."""
    wanted = context.job.recipe.brand
    if not wanted.image_key:
        return picture
    branded = lay(
        picture.pixels,
        open_mark(context.workshop.objects.get(wanted.image_key)),
        position=wanted.position,
        scale=wanted.scale,
        transparency=wanted.transparency,
        rotation=wanted.rotation,
        padding_x=wanted.padding_x,
        padding_y=wanted.padding_y,
    )
    return replace(picture, pixels=branded)
