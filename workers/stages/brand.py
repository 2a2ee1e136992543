"""Branding: the caller's logo, laid over the picture. Without a logo these stages do nothing."""

from dataclasses import replace

from imgen.provenance.branding import MAX_SIDE, open_logo, overlay
from imgen.provenance.history import LOGO, PLACED, Ingredient
from workers.picture import Context, Picture


def fetch_logo(picture: Picture, context: Context) -> Picture:
    """Reads and decodes the logo if the recipe has one. It is an ingredient, with credentials of its own if it has some."""
    key = context.job.recipe.visible_watermark.image_key
    if not key:
        return picture
    file = context.resources.objects.get(key)
    logo = Ingredient(label=LOGO, relationship="componentOf", file=file)
    max_side = max(MAX_SIDE, *picture.pixels.shape[:2])
    return replace(picture, logo=open_logo(file, max_side), ingredients=(*picture.ingredients, logo))


def brand(picture: Picture, context: Context) -> Picture:
    """Overlays the logo."""
    if picture.logo is None:
        return picture
    placement = context.job.recipe.visible_watermark
    branded = overlay(
        picture.pixels,
        picture.logo,
        position=placement.position,
        scale=placement.scale,
        transparency=placement.transparency,
        rotation=placement.rotation,
        padding_x=placement.padding_x,
        padding_y=placement.padding_y,
    )
    return replace(picture, pixels=branded, unbranded=picture.pixels, actions=(*picture.actions, PLACED))
