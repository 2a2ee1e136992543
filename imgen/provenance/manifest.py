"""C2PA manifest of a picture: its fields, and its definition in the library's form. Signs nothing."""

from typing import Any

from msgspec import Struct

from imgen.provenance import fingerprint, watermark

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
    """RFC 3339, UTC."""
    watermark_id: str
    """12 hex digits."""
    fingerprint: str
    """PDQ, 64 hex digits."""


def definition(manifest: Manifest, manifest_id: str) -> dict[str, Any]:
    """Builds the manifest definition that c2pa takes.

    Author, organization, vendor and description go into `cawg.metadata`: `stds.schema-org.CreativeWork` left the
    specification with 2.0 and is deprecated in the library, and `c2pa.metadata` allows no field that names people.
    """
    metadata = {
        "dc:creator": [manifest.author],
        "dc:publisher": [manifest.organization],
        "dc:description": manifest.description,
        "dc:identifier": manifest.gen_id,
        "plus:ImageSupplierName": manifest.vendor,
    }
    return {
        "label": manifest_id,
        "claim_generator_info": [{"name": "Imgen", "version": manifest.version}],
        "title": manifest.title,
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "actions": [
                        {
                            "action": "c2pa.created",
                            "when": manifest.created,
                            "digitalSourceType": _SOURCE_TYPE,
                            "softwareAgent": {"name": manifest.model},
                        }
                    ]
                },
            },
            {
                "label": "cawg.metadata",
                "kind": "Json",
                "data": {
                    "@context": {
                        "dc": "http://purl.org/dc/elements/1.1/",
                        "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
                    },
                    **{name: value for name, value in metadata.items() if value not in ("", [""])},
                },
            },
            _soft_binding(watermark.ALGORITHM, manifest.watermark_id),
            _soft_binding(fingerprint.ALGORITHM, manifest.fingerprint),
        ],
    }


def _soft_binding(algorithm: str, value: str) -> dict[str, Any]:
    """Builds an assertion that the value is found in the whole picture (C2PA 2.4, soft binding assertion)."""
    return {"label": "c2pa.soft-binding", "data": {"alg": algorithm, "blocks": [{"scope": {}, "value": value}]}}
