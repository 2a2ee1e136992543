"""Baseline servers for `submit`: `imgen api` with commits of a chosen kind.

`python -m bench.commits MOST FLUSH_MS --port PORT --data FOLDER`: at most MOST transactions share a commit, and each commit takes
FLUSH_MS longer. The latter stands for a disk that keeps its word: those of many virtual machines answer a flush from memory.
"""

import sys
import time

from sqlalchemy import event
from sqlalchemy.engine import Engine

from imgen.cli.main import main
from imgen.records import writers

if __name__ == "__main__":
    most, flush_s = int(sys.argv[1]), float(sys.argv[2]) / 1000
    writers.MOST_TOGETHER = most

    @event.listens_for(Engine, "commit")
    def _flush(connection):
        if connection.get_execution_options().get("imgen_writes"):
            time.sleep(flush_s)

    sys.argv[1:3] = ["api"]
    main()
