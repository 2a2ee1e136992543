"""Command `imgen doctor`: checks the configuration and every part it names. Asks each endpoint; writes nothing.

A check returns its finding as text, `Warned` or `Fresh` text, or raises an error. A new one is a function and a line in CHECKS.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Annotated

import structlog
import typer
from rich.markup import escape
from rich.table import Table

from imgen import settings
from imgen.cli.doctor import credentials, endpoints, engines, files, stores, weights
from imgen.cli.doctor.books import check_books
from imgen.cli.doctor.finding import Fresh, Warned
from imgen.cli.doctor.public_address import public_address
from imgen.cli.doctor.resolver import resolver
from imgen.cli.options import Data
from imgen.cli.table import show
from imgen.domain.errors import ImgenError
from imgen.settings import Settings
from imgen.settings.advice import unseen_pictures

Check = Callable[[Settings], str]

CHECKS: dict[str, tuple[Check, str]] = {
    "models": (weights.models, "put the files under <data>/models, or give an absolute path in <data>/models.toml"),
    "characters": (weights.characters, "put the LoRA files under <data>/models, or mend <data>/characters.toml"),
    "engines": (
        engines.engines,
        "mend <data>/engines.toml, and set the variable that holds the key for `imgen worker`",
    ),
    "upscalers": (weights.upscalers, "put the files under <data>/models, or mend [workers] upscalers"),
    "plans": (files.plans, "mend the file that is named"),
    "tiers": (files.tiers, "mend the file that is named"),
    "studio": (files.studio, "mend the file that is named"),
    "rulesets": (files.rulesets, "mend the file that is named"),
    "match lists": (files.match_lists, "mend the row that is named"),
    "database": (stores.database, "run `imgen migrate`; check [database] url"),
    "redis": (stores.redis, "run `imgen up`, or start the Redis that [redis] url names"),
    "workers": (stores.workers, "run `imgen up`, or `imgen worker --queues …` for the queues named"),
    "objects": (stores.objects, "check [objects]: the folder must be writable, the bucket must exist"),
    "credentials": (
        credentials.signer,
        "check [credentials] certificate_chain and private_key; a key in an HSM or KMS has to answer and be the certificate's",
    ),
    "time-stamps": (credentials.time_stamps, "check [credentials] tsa_url, or set without_timestamp"),
    "reviewers": (endpoints.reviewers, "check [review]: base_url, api_key and the models"),
    "enhancer": (
        endpoints.enhancer,
        "check [enhancer]: base_url, api_key and model; without base_url the built-in one answers",
    ),
    "cache": (endpoints.cache, "check [cache]: base_url, api_key and model; enabled = false switches the cache off"),
    "public address": (
        public_address,
        "[http] public_url is the address that clients use; have the proxy pass /.well-known/oauth-… on, with its Host",
    ),
    "resolver": (
        resolver,
        "have the proxy pass /.well-known/c2pa-soft-binding-resolution and /c2pa/v1/ on, with their Host, and ask for no key",
    ),
    "pictures": (
        lambda loaded: Warned(text) if (text := unseen_pictures(loaded)) else "seen, or for this machine alone",
        "",
    ),
}
"""Part → its check, and the remedy where it fails."""


def doctor(
    data: Data = None,
    *,
    books: Annotated[bool, typer.Option("--books", help="Recompute all sums of jobs and ledger instead.")] = False,
) -> None:
    """Check the configuration and every part it names. Exit code 1 if something is wrong."""
    loaded = settings.load(data)
    if books:
        check_books(loaded)
        return
    absent = "" if loaded.data_dir.exists() else " (not there yet)"
    title = f"data {loaded.data_dir}{absent}, configuration {loaded.config_dir}"
    table = Table("part", "state", "found", title=escape(title))
    with _quiet_logs():
        states = []
        for name in CHECKS:
            state, text = check(name, loaded)
            states.append(state)
            table.add_row(name, _COLOURED[state], escape(text))
    show(table)
    if WRONG in states:
        raise typer.Exit(1)


OK, FRESH, WARNING, WRONG = "ok", "fresh", "warning", "wrong"
_COLOURED = {
    OK: "[green]ok[/]",
    FRESH: "[green]fresh[/]",
    WARNING: "[yellow]warning[/]",
    WRONG: "[red]wrong[/]",
}


def check(name: str, loaded: Settings) -> tuple[str, str]:
    """Runs the check of a part; returns its state and what it found."""
    function, remedy = CHECKS[name]
    try:
        text = function(loaded)
    except (ImgenError, OSError, ValueError) as exc:
        return WRONG, f"{exc}\n→ {remedy}"
    return WARNING if isinstance(text, Warned) else FRESH if isinstance(text, Fresh) else OK, text


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keeps the log quiet for the length of a block: the table says it all."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
