"""Signing key in an HSM, by PKCS#11. Keeps a session open, and opens another once the HSM has lost it. Makes no keys.

python-pkcs11 is an optional dependency (the extra `hsm`) and is imported here alone.
"""

import hashlib
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import MGF, Attribute, KeyType, Mechanism, ObjectClass
from pkcs11 import exceptions as lapses
from pkcs11.types import SignMixin

from imgen.domain.errors import ConfigurationError, SigningKeyUnavailable
from imgen.provenance.signing_keys.algorithm import Algorithm
from imgen.provenance.signing_keys.module_thread import module_thread
from imgen.provenance.signing_keys.pkcs11_uri import Pkcs11Uri

_MECHANISMS = {
    "es256": (KeyType.EC, Mechanism.ECDSA, None),
    "es384": (KeyType.EC, Mechanism.ECDSA, None),
    "es512": (KeyType.EC, Mechanism.ECDSA, None),
    "ps256": (KeyType.RSA, Mechanism.RSA_PKCS_PSS, (Mechanism.SHA256, MGF.SHA256, 32)),
    "ed25519": (KeyType.EC_EDWARDS, Mechanism.EDDSA, None),
}
"""Algorithm → type of the key, mechanism and its parameter. The HSM gets digests: few can hash all that they sign."""

_WRONG_PIN = (lapses.PinIncorrect, lapses.PinInvalid, lapses.PinLenRange, lapses.PinLocked, lapses.PinExpired)
_UNFIT = (
    lapses.KeySizeRange,
    lapses.KeyTypeInconsistent,
    lapses.MechanismInvalid,
    lapses.MechanismParamInvalid,
    lapses.FunctionNotSupported,
    lapses.UserPinNotInitialized,
    lapses.UserNotLoggedIn,
)

_PAUSES_S = (0.05, 0.2)
"""Pauses before a session is opened once more. SoftHSM rewrites its token at each login: another process may read half of it."""

_initialized_by: dict[str, int] = {}
"""Module → process that initialized it: a child has to do so again."""
_refused_pins: set[bytes] = set()
"""Digests of module, token and PIN that a token has refused: most lock themselves after a few wrong ones."""


class Pkcs11Key:
    """Private key in a token."""

    def __init__(self, uri: Pkcs11Uri, pin: str | None, algorithm: Algorithm, *, limit_s: float) -> None:
        """Opens nothing yet.

        Args:
            uri: module, token and key.
            pin: the token user's; None: it lets anybody sign.
            algorithm: the certificate's.
            limit_s: longest wait for a signature, with the time for a new session.

        Raises:
            ConfigurationError: there is no such module.
        """
        if not Path(uri.module_path).is_file():
            raise ConfigurationError(f"private_key: there is no PKCS#11 module {uri.module_path}")
        self._uri = uri
        self._pin = pin
        self._algorithm = algorithm
        self._limit_s = limit_s
        self._thread = module_thread(uri.module_path)
        self._key: SignMixin | None = None

    def sign(self, data: bytes) -> bytes:
        """Signs, in turn with the other threads; see `SigningKey`."""
        return self._thread.run(partial(self._sign_again, self._algorithm.hashed(data)), self._limit_s)

    def _sign_again(self, data: bytes) -> bytes:
        """Signs, with a new session where the one that was open is lost: HSMs close them when they restart, or on a whim."""
        pauses = [*_PAUSES_S] if self._key is None else [0.0, *_PAUSES_S]
        while True:
            try:
                key = self._key = self._key or self._find()
                return self._sign(key, data)
            except lapses.PKCS11Error as exc:
                is_fresh, self._key = len(pauses) <= len(_PAUSES_S), None
                if isinstance(exc, _UNFIT) and is_fresh:
                    raise ConfigurationError(
                        f"The key in the HSM does not sign {self._algorithm.name}: {type(exc).__name__}"
                    ) from exc
                if not pauses:
                    raise SigningKeyUnavailable(f"The HSM does not sign: {type(exc).__name__}") from exc
                time.sleep(pauses.pop(0))

    def _sign(self, key: SignMixin, data: bytes) -> bytes:
        _type, mechanism, parameter = _MECHANISMS[self._algorithm.name]
        signature: bytes = key.sign(data, mechanism=mechanism, mechanism_param=parameter)
        return signature

    def _find(self) -> SignMixin:
        """Returns the key, in a new session of a module that is initialized anew: some see a token that came back only then."""
        session = self._log_in(self._find_token(_initialized(self._uri.module_path)))
        key_type = _MECHANISMS[self._algorithm.name][0]
        wanted: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: key_type}
        named = {Attribute.LABEL: self._uri.object, Attribute.ID: self._uri.id}
        wanted |= {name: value for name, value in named.items() if value is not None}
        found = list(session.get_objects(wanted))
        if not found:
            raise ConfigurationError(
                f"The token has no private key of the certificate's type ({key_type.name}) by the name in private_key"
            )
        if len(found) > 1:
            raise ConfigurationError("The token has several keys by the name in private_key; give both object= and id=")
        (key,) = found
        assert isinstance(key, SignMixin)
        return key

    def _find_token(self, module: "pkcs11.lib") -> pkcs11.Token:  # type: ignore[valid-type]
        wanted = self._uri
        found = []
        for slot in module.get_slots(token_present=True):  # type: ignore[attr-defined]
            try:
                token = slot.get_token()
            except (lapses.TokenNotPresent, lapses.TokenNotRecognised):
                continue
            pairs = (
                (wanted.token, token.label),
                (wanted.serial, token.serial.decode("utf-8", "replace")),
                (wanted.manufacturer, token.manufacturer_id),
                (wanted.model, token.model),
                (wanted.slot_id, slot.slot_id),
            )
            if all(given is None or given == is_ for given, is_ in pairs):
                found.append(token)
        if not found:
            raise SigningKeyUnavailable("The HSM has no token by the name in private_key")
        if len(found) > 1:
            raise ConfigurationError("The HSM has several tokens by the name in private_key; add serial=")
        token_: pkcs11.Token = found[0]
        return token_

    def _log_in(self, token: pkcs11.Token) -> pkcs11.Session:
        pin = hashlib.sha256(f"{self._uri.module_path}\0{token}\0{self._pin}".encode()).digest()
        if pin in _refused_pins:
            raise ConfigurationError(
                "The token refused this PIN before, and is not asked again: set another and restart"
            )
        try:
            return token.open(user_pin=self._pin)
        except _WRONG_PIN as exc:
            _refused_pins.add(pin)
            raise ConfigurationError(f"The token refuses the PIN: {type(exc).__name__}") from exc


def _initialized(path: str) -> "pkcs11.lib":  # type: ignore[valid-type]
    """Returns the module, initialized anew in this process; its sessions are gone then."""
    try:
        module = pkcs11.lib(path)
        if path in _initialized_by:
            try:
                module.finalize()
            except lapses.PKCS11Error:
                if _initialized_by[path] == os.getpid():
                    raise
            module.initialize()
    except lapses.PKCS11Error as exc:
        raise SigningKeyUnavailable(f"The PKCS#11 module cannot be opened: {type(exc).__name__}") from exc
    _initialized_by[path] = os.getpid()
    return module
