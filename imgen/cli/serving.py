"""Server of the parts that speak HTTP: says when it listens."""

from collections.abc import Mapping
from socket import socket

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """Server of one process, with a line in the log once it accepts connections."""

    def __init__(self, config: uvicorn.Config, event: str, facts: Mapping[str, object]) -> None:
        super().__init__(config)
        self._event, self._facts = event, facts

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Binds and starts the application."""
        await super().startup(sockets)
        if self.started:
            log.info(self._event, **self._facts)


def serve(config: uvicorn.Config, event: str, **facts: object) -> None:
    """Serves until a signal; logs `event` with `facts` once the port accepts connections."""
    if config.workers > 1:
        listener = config.bind_socket()  # accepts from here on; the processes answer as they start
        log.info(event, processes=config.workers, **facts)
        Multiprocess(config, sockets=[listener]).run()
    else:
        _Server(config, event, facts).run()
