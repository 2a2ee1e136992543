"""Command `imgen up`: the whole stack in the foreground, for a user."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from imgen import composition, configuration, settings
from imgen.cli import cli_audit
from imgen.cli.options import Data
from imgen.domain.principal import new_raw_key
from imgen.records import api_keys, audit, schema, users
from imgen.services.accounts import passwords
from imgen.settings import Settings
from imgen.settings.addresses import is_wildcard
from imgen.settings.advice import unseen_pictures
from imgen.stack.lock import lock
from imgen.stack.parts import stack
from imgen.stack.port import check_port
from imgen.stack.supervisor import Supervisor

FIRST_KEY = "first"


class _Stop(Exception):
    """Signal SIGINT or SIGTERM."""


def up(
    data: Data = None,
    host: Annotated[str, typer.Option(help="Address to listen on; default: [http] host.", show_default=False)] = "",
    port: Annotated[int, typer.Option(help="Port; default: [http] port.", show_default=False)] = 0,
) -> None:
    """Start everything and stay in the foreground. Ctrl-C or SIGTERM stops all of it and loses nothing."""
    console = Console(highlight=False, soft_wrap=True)
    loaded = settings.load(data).with_address(host, port)
    if warning := unseen_pictures(loaded):
        console.print(f"[yellow]Warning: {escape(warning)}[/]")
    try:
        with running(loaded, console) as supervisor:
            console.print(f"[bold green]Ready: {escape(loaded.public_url)}[/]")
            if is_wildcard(loaded.http.host) and not loaded.http.public_url:
                console.print("Pictures have URLs of this address; set \\[http] public_url if clients use another.")
            supervisor.watch()
    except _Stop:
        console.print("Stopped.")


@contextlib.contextmanager
def running(loaded: Settings, console: Console) -> Iterator[Supervisor]:
    """Runs the stack for the length of a block; on the first run, makes and prints the first key."""

    def say(part: str, state: str) -> None:
        console.print(f"  {part:<14} {state}")

    with lock(loaded.data_dir, loaded.public_url), _signals():
        _check(loaded)
        _prepare(loaded, say)
        with Supervisor(say, loaded.data_dir / "logs") as supervisor:
            for part in stack(loaded):
                supervisor.start(part)
            yield supervisor


def _check(loaded: Settings) -> None:
    """Checks all that would stop the parts, before anything is made.

    Raises:
        ConfigurationError: the port is taken, or a configuration file is wrong.
    """
    check_port(loaded.http.host, loaded.http.port)
    configuration.load(loaded)
    configuration.load_rulesets(loaded)


def _prepare(loaded: Settings, say: Callable[[str, str], None]) -> None:
    composition.prepare_credentials(loaded)
    database = composition.open_database(loaded)
    try:
        schema.upgrade(database)
        say("database", f"ready ({database.check()})")
        with database.write() as connection:
            if not api_keys.has_keys(connection):
                raw = new_raw_key()
                tenant = cli_audit.tenant(connection, "default", loaded.default_plan)
                cli_audit.key(connection, raw, owner=tenant, name=FIRST_KEY)
                say("first key", f"[bold]{raw}[/] (shown this once)")
            if not users.count_users(connection):
                password = passwords.new_password()
                user = users.add(
                    connection,
                    name="admin",
                    role="admin",
                    password_hash=passwords.hash_password(password),
                    must_change_password=True,
                )
                told = audit.change_of_user(connection, after=user)
                cli_audit.note(connection, "added person", subject=user.id, detail=told)
                say("panel", f"sign in as admin with [bold]{password}[/] (once; shown this once)")
    finally:
        database.close()


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Lets SIGINT and SIGTERM raise `_Stop` once; further ones are ignored while everything stops."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise _Stop

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
