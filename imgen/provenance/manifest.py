"""C2PA manifests of a picture and of its thumbnail: fields, and definitions in the library's form. Signs nothing."""

import uuid
from typing import Any

from msgspec import Struct

from imgen.domain.soft_binding import DEFAULT_DOMAIN, Algorithm
from imgen.provenance.history import OPENED, RESIZED, Action, Ingredient
from imgen.provenance.untrusted_image import media_type

CREATED_ASSERTIONS = (
    "c2pa.actions",
    "c2pa.actions.v2",
    "c2pa.ingredient",
    "c2pa.ingredient.v3",
    "c2pa.soft-binding",
    "c2pa.thumbnail.ingredient",
)
"""Labels of the assertions that the signer attests itself. `cawg.metadata` is not among them: it repeats a caller's words."""


class Manifest(Struct, frozen=True, kw_only=True):
    """Fields of a picture's manifest. An empty text is left out."""

    title: str = ""
    author: str = ""
    organization: str = ""
    vendor: str = ""
    description: str = ""
    version: str
    """Version of Imgen, the claim generator."""
    gen_id: str
    actions: tuple[Action, ...]
    """In the order in which they were taken; the first is `c2pa.created` or `c2pa.opened` (C2PA 2.4, section 18.15.2)."""
    ingredients: tuple[Ingredient, ...] = ()
    """Those that the actions name."""
    watermark_id: str
    """12 hex digits."""
    fingerprint: str
    """PDQ, 64 hex digits."""
    algorithm_domain: str = DEFAULT_DOMAIN
    """Reverse domain that the names of both algorithms begin with."""


def definition(manifest: Manifest, manifest_id: str) -> dict[str, Any]:
    """Builds the definition of the picture's manifest, without its ingredients.

    The action of the watermark needs a soft binding among the assertions (C2PA 2.4, section 15.10.3.2.3).
    """
    return _head(manifest, manifest_id) | {
        "assertions": [
            _actions(*manifest.actions),
            _metadata(manifest),
            _soft_binding(f"{manifest.algorithm_domain}.{Algorithm.WATERMARK}", manifest.watermark_id),
            _soft_binding(f"{manifest.algorithm_domain}.{Algorithm.FINGERPRINT}", manifest.fingerprint),
        ],
    }


def ingredient_definition(ingredient: Ingredient) -> dict[str, Any]:
    """Builds the definition of an ingredient; its id is a new one, since that of the file's XMP would stand there otherwise."""
    values = {
        "label": ingredient.label,
        "relationship": ingredient.relationship,
        "instance_id": f"xmp.iid:{uuid.uuid4()}",
        "title": ingredient.title,
        "format": media_type(ingredient.file),
        "thumbnail": ingredient.thumbnail and {"format": "image/jpeg", "identifier": thumbnail_name(ingredient.label)},
    }
    return {name: value for name, value in values.items() if value}


def thumbnail_name(label: str) -> str:
    """Returns the name by which the library is given the thumbnail of an ingredient; it stands in no file."""
    return f"{label}.jpg"


def thumbnail_definition(manifest: Manifest, manifest_id: str) -> dict[str, Any]:
    """Builds the definition of the thumbnail's manifest, which leads to the picture as its parent.

    None of the picture's statements is repeated. The thumbnail has no soft binding: it is too small to carry the watermark, and
    the fingerprint is the picture's.
    """
    return _head(manifest, manifest_id) | {"assertions": [_actions(OPENED, RESIZED)]}


def _head(manifest: Manifest, manifest_id: str) -> dict[str, Any]:
    return {
        "label": manifest_id,
        "claim_generator_info": [{"name": "Imgen", "version": manifest.version}],
        "title": manifest.title,
    }


def _actions(*actions: Action) -> dict[str, Any]:
    return {"label": "c2pa.actions.v2", "data": {"actions": [_action(action) for action in actions]}}


def _action(action: Action) -> dict[str, Any]:
    values = {
        "action": action.name,
        "when": action.when,
        "digitalSourceType": action.source_type,
        "softwareAgent": action.software_agent and {"name": action.software_agent},
        "description": action.description,
        "parameters": action.ingredient and {"ingredientIds": [action.ingredient]},
    }
    return {name: value for name, value in values.items() if value}


def _metadata(manifest: Manifest) -> dict[str, Any]:
    """Builds the assertion of author, organization, vendor and description.

    `stds.schema-org.CreativeWork` left the specification with 2.0 and is deprecated in the library, and `c2pa.metadata` allows
    no field that names people.
    """
    values = {
        "dc:creator": manifest.author and [manifest.author],
        "dc:publisher": manifest.organization and [manifest.organization],
        "dc:description": manifest.description,
        "dc:identifier": manifest.gen_id,
        # A sequence of structures (PLUS 2.0.1, Image Supplier)
        "plus:ImageSupplier": manifest.vendor and [{"plus:ImageSupplierName": manifest.vendor}],
    }
    context = {"dc": "http://purl.org/dc/elements/1.1/", "plus": "http://ns.useplus.org/ldf/xmp/1.0/"}
    given = {name: value for name, value in values.items() if value}
    return {"label": "cawg.metadata", "kind": "Json", "data": {"@context": context, **given}}


def _soft_binding(algorithm: str, value: str) -> dict[str, Any]:
    """Builds an assertion that the value is found in the whole picture (C2PA 2.4, soft binding assertion)."""
    return {"label": "c2pa.soft-binding", "data": {"alg": algorithm, "blocks": [{"scope": {}, "value": value}]}}
