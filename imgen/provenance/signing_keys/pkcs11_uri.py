"""PKCS#11 URI (RFC 7512) of a private key: which token, which key in it, by which module. Opens nothing."""

from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from msgspec import Struct

from imgen.domain.errors import ConfigurationError

SCHEME = "pkcs11:"
_TOKEN = frozenset({"token", "serial", "manufacturer", "model", "slot-id"})
_KEY = frozenset({"object", "id", "type"})
_QUERY = frozenset({"module-path", "pin-source"})


class Pkcs11Uri(Struct, frozen=True, kw_only=True):
    """Parsed URI. Attributes that it does not name fit any token and key."""

    module_path: str
    """File of the HSM's PKCS#11 module, a shared library."""
    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_id: int | None = None
    object: str | None = None
    """Label of the key."""
    id: bytes | None = None
    """Its id, often a single byte."""
    pin_source: str = ""
    """File with the PIN; empty: it is configured."""


def parse_pkcs11_uri(uri: str) -> Pkcs11Uri:
    """Parses a URI.

    Raises:
        ConfigurationError: it is none, or does not name module, token and key. The message repeats no value of it.
    """
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    named = _attributes(path, ";", _TOKEN | _KEY)
    asked = _attributes(query, "&", _QUERY)
    if unquote(named.get("type", "private")) != "private":
        raise ConfigurationError("private_key: the PKCS#11 URI's type is not private")
    if not named.keys() & _TOKEN:
        raise ConfigurationError("private_key: the PKCS#11 URI names no token; add token=LABEL or serial=NUMBER")
    if not named.keys() & {"object", "id"}:
        raise ConfigurationError("private_key: the PKCS#11 URI names no key; add object=LABEL or id=%01")
    module = unquote(asked.get("module-path", ""))
    if not Path(module).is_absolute():
        raise ConfigurationError(
            "private_key: the PKCS#11 URI names no module; add ?module-path=/path/to/the/HSM's/module.so"
        )
    slot = unquote(named.get("slot-id", "0"))
    if not slot.isascii() or not slot.isdigit():
        raise ConfigurationError("private_key: the PKCS#11 URI's slot-id is no number")
    texts = {
        name: unquote(named[name]) for name in ("token", "serial", "manufacturer", "model", "object") if name in named
    }
    return Pkcs11Uri(
        module_path=module,
        slot_id=int(slot) if "slot-id" in named else None,
        id=unquote_to_bytes(named["id"]) if "id" in named else None,
        pin_source=unquote(asked.get("pin-source", "")).removeprefix("file://").removeprefix("file:"),
        **texts,
    )


def read_pin(uri: Pkcs11Uri, configured: str) -> str | None:
    """Returns the PIN: of the file that the URI names, else the configured one; None: the token wants none.

    Raises:
        ConfigurationError: the file cannot be read, or is empty.
    """
    if not uri.pin_source:
        return configured or None
    try:
        pin = Path(uri.pin_source).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"private_key: pin-source {uri.pin_source} cannot be read") from exc
    if not pin:
        raise ConfigurationError(f"private_key: pin-source {uri.pin_source} is empty")
    return pin


def _attributes(text: str, separator: str, known: frozenset[str]) -> dict[str, str]:
    """Splits attributes, whose values stay percent-encoded."""
    found: dict[str, str] = {}
    for attribute in filter(None, text.split(separator)):
        name, has_value, value = attribute.partition("=")
        if name == "pin-value":
            raise ConfigurationError(
                "private_key: no PIN belongs in a PKCS#11 URI; set IMGEN_CREDENTIALS__KEY_PIN, or pin-source to a file"
            )
        if not has_value or name not in known:
            raise ConfigurationError(
                f"private_key: the PKCS#11 URI has an attribute that is not one of {', '.join(sorted(known))}"
            )
        if name in found:
            raise ConfigurationError(f"private_key: the PKCS#11 URI has {name} twice")
        found[name] = value
    return found
