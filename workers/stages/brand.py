"""Branding: the caller's logo, laid over the picture."""

from dataclasses import replace

from imgen.provenance.branding import open_logo, overlay
from workers.picture import Context, Picture


def brand(picture: Picture, context: Context) -> Picture:
    """Overlays the logo if the recipe has one."""
    logo = context.job.recipe.visible_watermark
    if not logo.image_key:
        return picture
    branded = overlay(
        picture.pixels,
        open_logo(context.resources.objects.get(logo.image_key)),
        position=logo.position,
        scale=logo.scale,
        transparency=logo.transparency,
        rotation=logo.rotation,
        padding_x=logo.padding_x,
        padding_y=logo.padding_y,
    )
    return replace(picture, pixels=branded)
