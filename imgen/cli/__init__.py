"""Command line `imgen`. Each file holds one command or one group of them; main.py joins them."""

from imgen.cli.main import main

__all__ = ["main"]
