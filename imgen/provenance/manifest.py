"""C2PA manifests of a picture and of its thumbnail: fields, and definitions in the library's form. Signs nothing."""

from typing import Any

from msgspec import Struct

from imgen.provenance import fingerprint, watermark

CREATED_ASSERTIONS = ("c2pa.actions", "c2pa.actions.v2", "c2pa.ingredient", "c2pa.ingredient.v3", "c2pa.soft-binding")
"""Labels of the assertions that the signer attests itself. `cawg.metadata` is not among them: it repeats a caller's words."""

PARENT = "parent"
"""Label by which the thumbnail's actions name its ingredient; the library replaces it with a hashed URI."""

_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


class Manifest(Struct, frozen=True, kw_only=True):
    """Fields of a picture's manifest. An empty text is left out."""

    title: str = ""
    author: str = ""
    organization: str = ""
    vendor: str = ""
    description: str = ""
    version: str
    """Version of Imgen, the claim generator."""
    model: str
    """Name of the model, as software agent of the creation."""
    gen_id: str
    created: str
    """Time at which the picture was drawn, RFC 3339, UTC; empty: unknown."""
    watermark_id: str
    """12 hex digits."""
    fingerprint: str
    """PDQ, 64 hex digits."""


def definition(manifest: Manifest, manifest_id: str) -> dict[str, Any]:
    """Builds the definition of the picture's manifest.

    The watermark's action is `c2pa.watermarked`: its finer forms of C2PA 2.3 (`.bound`, `.unbound`) are unknown to older readers.
    It needs a soft binding among the assertions (C2PA 2.4, section 15.10.3.2.3).
    """
    drawn = {
        "action": "c2pa.created",
        "when": manifest.created,
        "digitalSourceType": _SOURCE_TYPE,
        "softwareAgent": {"name": manifest.model},
    }
    return _head(manifest, manifest_id) | {
        "assertions": [
            _actions({name: value for name, value in drawn.items() if value}, {"action": "c2pa.watermarked"}),
            _metadata(manifest),
            _soft_binding(watermark.ALGORITHM, manifest.watermark_id),
            _soft_binding(fingerprint.ALGORITHM, manifest.fingerprint),
        ],
    }


def thumbnail_definition(manifest: Manifest, manifest_id: str) -> dict[str, Any]:
    """Builds the definition of the thumbnail's manifest, which leads to the picture as its parent.

    None of the picture's statements is repeated. The thumbnail has no soft binding: it is too small to carry the watermark, and
    the fingerprint is the picture's.
    """
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}
    return _head(manifest, manifest_id) | {"assertions": [_actions(opened, {"action": "c2pa.resized"})]}


def parent_ingredient(manifest: Manifest) -> dict[str, Any]:
    """Builds the ingredient by which the thumbnail's manifest names the picture."""
    return {"label": PARENT, "relationship": "parentOf", "title": manifest.title}


def _head(manifest: Manifest, manifest_id: str) -> dict[str, Any]:
    return {
        "label": manifest_id,
        "claim_generator_info": [{"name": "Imgen", "version": manifest.version}],
        "title": manifest.title,
    }


def _actions(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"label": "c2pa.actions.v2", "data": {"actions": list(actions)}}


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
