"""Command line in the test's own process: all that `imgen` does but the start of an interpreter."""

import sys
from collections.abc import Mapping
from typing import NamedTuple

import structlog
from typer.testing import CliRunner

from imgen.cli.main import main


class Done(NamedTuple):
    """The end of a command, with the fields that `subprocess.run` gives."""

    returncode: int
    stdout: str
    stderr: str


def run_command(
    *arguments: str, environ: Mapping[str, str] | None = None, obj: object = None, typed: str | None = None
) -> Done:
    """Runs one command to its end; `environ` is laid over the test's own environment, `obj` is the command's context's.

    `typed` is its stdin.
    """
    logs = structlog.get_config()
    with CliRunner().isolation(input=typed, env=environ) as (stdout, stderr, _):
        code: object = 0
        try:
            main(arguments, obj=obj)
        except SystemExit as exc:
            code = exc.code
        finally:
            structlog.configure(**logs)  # a command's log goes to the stderr of this block
        sys.stdout.flush()
        sys.stderr.flush()
        return Done(code if isinstance(code, int) else int(code is not None), _text(stdout), _text(stderr))


def checked(*arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """Output of a command that must succeed."""
    done = run_command(*arguments, environ=environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _text(stream) -> str:
    return stream.getvalue().decode().replace("\r\n", "\n")
