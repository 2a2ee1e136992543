"""Headers of a webhook: its id, the time of the try, and a signature by each valid secret (Standard Webhooks, symmetric)."""

import datetime as dt

from standardwebhooks import Webhook

from imgen import __version__
from imgen.domain.webhook import Secrets


def signed_headers(secrets: Secrets, delivery_id: str, body: bytes, *, now: float) -> dict[str, str]:
    """Makes the headers of one try of a body, which is sent as it is signed."""
    moment = dt.datetime.fromtimestamp(int(now), dt.UTC)  # aware: the library takes a naive time for UTC
    signatures = (
        Webhook(secret.get_secret_value()).sign(delivery_id, moment, body.decode()) for secret in secrets.valid(now)
    )
    return {
        "Content-Type": "application/json",
        "User-Agent": f"Imgen/{__version__}",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(signatures),
    }
