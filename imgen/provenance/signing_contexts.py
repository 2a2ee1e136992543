"""Contexts of the C2PA library for one certificate: with its key in memory, or with a key that signs elsewhere."""

import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import c2pa

from imgen.domain import errors
from imgen.provenance.credentials import SETTINGS
from imgen.provenance.signing_keys import SigningKey

T = TypeVar("T")


class SigningContexts(Protocol):
    """Source of contexts. Threads may share it."""

    def run(self, sign: Callable[[c2pa.Context], T], *, tsa_url: str | None = None) -> T:
        """Runs a signature in a context; with a time-stamp authority, in one of its own: a signature that hangs keeps it."""


class MemoryContexts:
    """Contexts with the key in memory. Threads take turns in one of them."""

    def __init__(self, chain: bytes, key: bytes, algorithm: str) -> None:
        """Takes chain and key (PKCS #8) in PEM, and C2PA's name of the algorithm."""
        self._chain = chain
        self._info = (algorithm, chain, key)
        self._context = self._new_context(None)
        self._turn = threading.Lock()

    def run(self, sign: Callable[[c2pa.Context], T], *, tsa_url: str | None = None) -> T:
        """Runs a signature; see `SigningContexts`."""
        if tsa_url is not None:
            return sign(self._new_context(tsa_url))
        with self._turn:
            return sign(self._context)

    def _new_context(self, tsa_url: str | None) -> c2pa.Context:
        return _context(self._chain, c2pa.Signer.from_info(c2pa.C2paSignerInfo(*self._info, tsa_url)))


class CallbackContexts:
    """Contexts whose signatures a key elsewhere makes, each in its own (0.4 ms): a slow key holds up no other thread.

    The library reserves 10 KB for a signature whose size it does not know, so files are 9 KB larger than with a key in memory.
    """

    def __init__(self, chain: bytes, key: SigningKey, algorithm: str) -> None:
        """Takes the chain in PEM, and C2PA's name of the algorithm."""
        self._chain = chain
        self._key = key
        self._algorithm = c2pa.C2paSigningAlg[algorithm.upper()]

    def run(self, sign: Callable[[c2pa.Context], T], *, tsa_url: str | None = None) -> T:
        """Runs a signature; see `SigningContexts`. An error of the key comes out as it is."""
        lapses: list[BaseException] = []

        def ask(data: bytes) -> bytes:
            try:
                return self._key.sign(data)
            except BaseException as exc:  # noqa: BLE001 - raised below: the library would log it, and tell of a wrong signature
                lapses.append(exc)
                return b""

        signer = c2pa.Signer.from_callback(ask, self._algorithm, self._chain.decode(), tsa_url)
        try:
            return sign(_context(self._chain, signer))
        except c2pa.C2paError as exc:
            if lapses:
                raise lapses[0] from exc
            raise


def _context(chain: bytes, signer: c2pa.Signer) -> c2pa.Context:
    """Makes a context with the signer's own root as an anchor, so that a thumbnail's manifest calls its parent trusted.

    Raises:
        errors.ConfigurationError: the chain is no text.
    """
    try:
        settings: dict[str, Any] = SETTINGS | {"trust": {"user_anchors": chain.decode()}}
    except UnicodeDecodeError as exc:
        raise errors.ConfigurationError("The signing certificate is no PEM text") from exc
    return c2pa.Context.from_dict(settings, signer)
