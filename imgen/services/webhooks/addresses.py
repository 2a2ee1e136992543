"""Addresses of webhooks as callers send them: https and public, else refused at once."""

from imgen.domain.errors import Invalid, InvalidField, UnsafeUrl
from imgen.outgoing.urls import parse_url
from imgen.settings.sections import Webhooks


def own_url(settings: Webhooks, text: str | None) -> str:
    """Returns the `webhook_url` of a request; empty: it has none.

    Raises:
        InvalidField: it leads to no address that may be connected to, or is no https URL.
    """
    url = (text or "").strip()
    try:
        return url and parse_url(url, allow=settings.allow).text
    except UnsafeUrl as exc:
        raise InvalidField("webhook_url") from exc


def endpoint_url(settings: Webhooks, text: str) -> str:
    """Returns the URL of a new endpoint.

    Raises:
        Invalid: as for `own_url`, and if it is empty.
    """
    try:
        return parse_url(text.strip(), allow=settings.allow).text
    except UnsafeUrl as exc:
        raise Invalid("The URL must begin with https:// and lead to a public address") from exc
