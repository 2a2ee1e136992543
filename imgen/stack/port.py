"""Check of the port that a server is to listen on."""

import socket

from imgen.domain.errors import ConfigurationError


def check_port(host: str, port: int) -> None:
    """Checks that the port is free; else the server that has it would answer in the API's place.

    Raises:
        ConfigurationError: it is taken, or the host is none of this machine; the message says what to do.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the API does
            probe.bind((host, port))
    except OSError as exc:
        raise ConfigurationError(
            f"Cannot listen on {host}, port {port}: {exc.strerror}; choose another with --port, or set [http] port"
        ) from exc
