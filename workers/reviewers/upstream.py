"""One OpenAI-compatible endpoint as reviewers ask it: bounded in time, size and tries, and left alone while it is dead."""

import base64
import io
import time
from collections.abc import Callable
from typing import Any

import httpx2
import numpy as np
import openai
from numpy.typing import NDArray
from PIL import Image

from imgen.domain.breaker import Breaker
from imgen.domain.errors import ConfigurationError, ReviewerUnavailable
from imgen.settings.sections import Review

MAX_ANSWER_BYTES = 256 * 1024
MAX_SIDE = 1024
"""Pixels of the picture's longer side as it is sent: what such models see of it anyway."""
_JPEG_QUALITY = 85

Ask = Callable[[openai.OpenAI], Any]
"""Starts a streamed answer: `client.….with_streaming_response.create(…)`."""


class Upstream:
    """A client and its breaker."""

    def __init__(self, settings: Review) -> None:
        """Raises ConfigurationError without a base URL."""
        if not settings.base_url:
            raise ConfigurationError("[review] base_url is empty, and a configured reviewer needs it")
        self._timeout_s = settings.timeout_s
        self._client = openai.OpenAI(
            base_url=settings.base_url,
            api_key=settings.api_key.get_secret_value() or "none",
            timeout=settings.timeout_s,
            max_retries=0,  # the job itself is tried again, and a worker does not sleep through a Retry-After
        )
        self._breaker = Breaker(pause_s=settings.pause_s)

    def ask(self, start: Ask) -> bytes:
        """The whole body of an answer.

        Raises:
            ReviewerUnavailable: none within the time, an error, or one that is too long.
        """
        if not self._breaker.allows():
            raise ReviewerUnavailable("the reviewer failed again and again and is left alone for a while")
        give_up_at = time.monotonic() + 2 * self._timeout_s  # the client's own limit is for each read
        body = bytearray()
        try:
            with start(self._client) as response:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES or time.monotonic() > give_up_at:
                        break
                else:
                    self._breaker.succeeded()
                    return bytes(body)
        except (openai.OpenAIError, httpx2.HTTPError, OSError) as exc:
            self._breaker.failed()
            raise ReviewerUnavailable(f"the reviewer does not answer: {type(exc).__name__}") from exc
        self._breaker.failed()
        raise ReviewerUnavailable("the reviewer's answer has no end")

    def close(self) -> None:
        """Closes the client's connections."""
        self._client.close()


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """A picture (H, W, 3) uint8 as a JPEG of at most MAX_SIDE, in the form such endpoints take."""
    image = Image.fromarray(pixels)
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
