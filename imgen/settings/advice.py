"""Advice: settings that are allowed and dangerous, each in a sentence for the operator. Refuses nothing."""

from urllib.parse import urlsplit

from imgen.settings import Settings
from imgen.settings.addresses import is_loopback


def unseen_pictures(settings: Settings) -> str:
    """Returns the warning that nobody looks at pictures while others reach the API; empty: somebody does, or nobody else can."""
    hosts = [settings.http.host, urlsplit(settings.http.public_url).hostname or ""]
    reached = next((host for host in hosts if host and not is_loopback(host)), "")
    if settings.review.sees_pictures or not reached:
        return ""
    return (
        f"Nobody looks at pictures: [review] reviewers has only {', '.join(settings.review.reviewers)}, which reads words, and "
        f"{reached} is reached beyond this machine. Add nudity, moderation or vision; see docs/review.md."
    )
