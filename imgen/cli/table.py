"""Tables of the command line: as wide as the terminal, and cut nowhere in a pipe."""

from rich.console import Console
from rich.table import Table

PIPE_COLUMNS = 500
"""Width in a pipe, which has none: more than any row needs."""


def show(table: Table) -> None:
    """Prints a table on stdout."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, PIPE_COLUMNS)
    console.print(table)
