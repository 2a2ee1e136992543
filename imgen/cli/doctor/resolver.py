"""Check of the resolver, where it is open to the public: C2PA readers elsewhere find it at the public address."""

from typing import TypeVar

import httpx2
import msgspec

from imgen.cli.doctor.finding import Warned, shown_url
from imgen.cli.doctor.public_address import TIMEOUT_S
from imgen.domain.errors import ConfigurationError
from imgen.domain.soft_binding import DIGITS, Algorithm, algorithms_by_name
from imgen.settings import Settings
from imgen.surfaces.provenance import BY_BINDING
from imgen.surfaces.provenance.answers import ResolverDiscovery, ResolverStatus, SoftBindingMatches
from imgen.surfaces.provenance.documents import OPEN_HEADERS, STATUS, WELL_KNOWN, discovery_of

_T = TypeVar("_T")


def resolver(loaded: Settings) -> str:
    """Asks the resolver as a reader elsewhere does, without a key: its address, its status and the manifests of a watermark.

    Raises:
        ConfigurationError: something else answers, a key is demanded, or the parts behind the resolver do not answer.
    """
    resolution = loaded.provenance.resolution
    if resolution != "public":
        return {"keys": "for keys alone", "off": "off"}[resolution]
    if not loaded.http.public_url:
        return Warned("open to the public, but [http] public_url is not set: readers elsewhere are told of no address")
    url = loaded.public_url
    name = next(iter(algorithms_by_name(loaded.credentials.algorithm_domain)))
    nobodys = {"alg": name, "value": "0" * DIGITS[Algorithm.WATERMARK]}
    try:
        with httpx2.Client(timeout=TIMEOUT_S) as client:
            told = _document(client.get(url + WELL_KNOWN), ResolverDiscovery)
            if told != (expected := discovery_of(url)):
                found, wanted = shown_url(told.api_endpoint), shown_url(expected.api_endpoint)
                raise ConfigurationError(f"{shown_url(url)}{WELL_KNOWN}: apiEndpoint {found!r} instead of {wanted!r}")
            if (state := _document(client.get(url + STATUS), ResolverStatus).status) != "ok":
                raise ConfigurationError(f"{shown_url(url)}{STATUS}: status {state!r}; see database and objects above")
            _document(client.get(url + BY_BINDING, params=nobodys), SoftBindingMatches)
    except httpx2.TransportError as exc:
        return Warned(f"{shown_url(url)} does not answer ({exc}): is `imgen up` running, and the proxy?")
    return f"readers find it at {shown_url(url)}{WELL_KNOWN}, without a key"


def _document(answer: httpx2.Response, kind: type[_T]) -> _T:
    """Returns a document of the resolver, which pages of any origin may read.

    Raises:
        ConfigurationError: it is something else, or those pages may not.
    """
    asked = shown_url(str(answer.url.copy_with(query=None)))
    if answer.status_code != httpx2.codes.OK:
        raise ConfigurationError(f"{asked}: status {answer.status_code} instead of 200")
    for header, value in OPEN_HEADERS.items():
        if answer.headers.get(header) != value:
            raise ConfigurationError(f"{asked}: {header} {answer.headers.get(header)!r} instead of {value!r}")
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError as exc:
        raise ConfigurationError(f"{asked}: not the resolver's document: {exc}") from exc
