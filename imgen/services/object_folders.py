"""Folders of objects: deletion of everything that belongs to jobs or cache entries, many at once."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog

from imgen.domain.errors import ConfigurationError, Retryable
from imgen.domain.job import Job
from imgen.objects import ObjectStore
from imgen.records.retention import ExpiredJob

log = structlog.get_logger(__name__)

LISTINGS_AT_ONCE = 8
LOGGED = 5


def folders_of(job: Job | ExpiredJob) -> tuple[str, ...]:
    """Returns the prefixes of all objects of a job but its manifest stores."""
    return (
        f"pictures/{job.tenant_id}/{job.gen_id}/",
        f"withheld/{job.tenant_id}/{job.gen_id}/",
        f"work/{job.id}/",
    )


def manifests_of(tenant_id: str, gen_id: str) -> str:
    """Returns the prefix of the manifest stores of a picture, which are kept longer than its files."""
    return f"manifests/{tenant_id}/{gen_id}/"


def delete_folders(objects: ObjectStore, folders: Mapping[str, Iterable[str]]) -> set[str]:
    """Deletes all objects below prefixes, given by owner. Returns the owners that have none left; the others are logged.

    Raises:
        Retryable, ConfigurationError: the store as a whole does not work.
    """
    owner_of: dict[str, str] = {}
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(LISTINGS_AT_ONCE, thread_name_prefix="listing") as listings:
        for owner, (keys, reason) in zip(
            folders, listings.map(lambda prefixes: _listed(objects, prefixes), folders.values()), strict=True
        ):
            owner_of |= dict.fromkeys(keys, owner)
            if reason:
                failed[owner] = reason
    failed |= {owner_of[key]: reason for key, reason in objects.delete_many(owner_of).items()}
    if failed:
        objects.check()  # raises where no single object is to blame
        reason = next(iter(failed.values()))
        log.warning("files not deleted", owners=list(failed)[:LOGGED], number=len(failed), reason=reason)
    return set(folders) - set(failed)


def _listed(objects: ObjectStore, prefixes: Iterable[str]) -> tuple[list[str], str]:
    """Lists the keys below prefixes; with the reason if that fails."""
    keys: list[str] = []
    try:
        for prefix in prefixes:
            keys += [info.key for info in objects.list(prefix)]
    except (Retryable, ConfigurationError) as exc:
        return keys, str(exc)
    return keys, ""
