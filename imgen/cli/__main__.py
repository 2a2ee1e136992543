"""Entry point `python -m imgen.cli`, for the parts that `imgen up` starts: no script of that name need be on PATH."""

from imgen.cli.main import main

main()
