"""Executor that notes what Redis is asked for."""

from imgen.live.command import calls_for
from imgen.live.executors import PipeliningExecutor


class Recorder(PipeliningExecutor):
    """Executor that notes the names of the commands that it sends."""

    def __init__(self, url, noted):
        super().__init__(url, timeout_s=30)
        self._noted = noted

    def run(self, command):
        names = [call[0] for call in calls_for(command, self.run_id)]
        self._noted += [name for name in names if name != "EXPIRE"]  # of a caller's first request in each minute
        return super().run(command)
