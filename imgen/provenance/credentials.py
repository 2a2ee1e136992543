"""C2PA Content Credentials of any file: reads and validates them. Fetches nothing.

Every Reader and Builder gets a Context of its own settings: by default the library fetches the manifest that a file's XMP points
to, and resolves identities over the network. Specifications: C2PA 2.4, CAWG Metadata 1.1.
"""

import io
import json
from typing import Any

import c2pa
from msgspec import Struct

from imgen.domain import errors
from imgen.provenance.history_words import history_words
from imgen.provenance.manifest import CREATED_ASSERTIONS
from imgen.provenance.validation import Problem, problems_of, unreadable

SETTINGS: dict[str, Any] = {
    "builder": {
        "thumbnail": {"enabled": False},  # it costs 30 ms and 84 KiB and shows what the file shows
        "created_assertion_labels": CREATED_ASSERTIONS,  # all others are merely gathered, which the signer does not attest
    },
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"decode_identity_assertions": False},  # did:web identities are looked up over HTTP
}
"""Settings of the library for signing and for reading, without trust anchors."""


class Credentials(Struct, frozen=True, kw_only=True):
    """Validation result of a file's credentials."""

    state: str
    """`Trusted`: whole, by a signer we trust. `Valid`: whole. `Invalid`: changed or unreadable. `None`: none at all."""
    issuer: str | None = None
    time_stamp: str | None = None
    """Time that a time-stamp authority attests, RFC 3339; None: no authority was asked."""
    problems: tuple[Problem, ...] = ()
    """Reasons why it is not `Trusted`."""
    manifest_id: str | None = None
    title: str | None = None
    history: tuple[str, ...] = ()
    """Actions of the active manifest in words."""
    manifest: dict[str, Any] = {}
    """The active manifest as c2pa reports it."""


def read(body: bytes, mime: str, anchors: bytes = b"") -> Credentials:
    """Reads and validates the credentials inside a file; a file that cannot be read has invalid ones.

    Args:
        body: the file, from anywhere.
        mime: its media type by its content.
        anchors: PEM roots to trust.

    Raises:
        errors.ConfigurationError: the anchors are no certificates.
    """
    settings = SETTINGS | ({"trust": {"user_anchors": anchors.decode()}} if anchors else {})
    try:
        context = c2pa.Context.from_dict(settings)
    except c2pa.C2paError as exc:
        raise errors.ConfigurationError(f"The trust anchors cannot be read: {exc}") from exc
    try:
        with c2pa.Reader(mime, io.BytesIO(body), context=context) as reader:
            report = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return Credentials(state="None")
    except c2pa.C2paError as exc:
        # A manifest that lies elsewhere is not fetched, so it counts as none
        if str(exc).startswith("Remote"):
            return Credentials(state="None")
        return Credentials(state="Invalid", problems=unreadable(exc))
    manifest_id = report.get("active_manifest")
    manifest = report.get("manifests", {}).get(
        manifest_id, {}
    )  # of a broken one the report has nothing but its failures
    return Credentials(
        state=report["validation_state"],
        issuer=manifest.get("signature_info", {}).get("issuer"),
        time_stamp=manifest.get("signature_info", {}).get("time"),
        problems=problems_of(report),
        manifest_id=manifest_id,
        title=manifest.get("title"),
        history=history_words(manifest),
        manifest=manifest,
    )
