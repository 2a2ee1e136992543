"""Reviewers' client of an OpenAI-compatible endpoint: its failures as ReviewerUnavailable, pictures in the form it takes."""

import base64
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgen.domain.errors import ConfigurationError, ReviewerUnavailable, UpstreamUnavailable
from imgen.settings.sections import Review
from imgen.upstream.chat import REFUSED, ChatDialect, ChatRequest, ask_chat_blocking
from imgen.upstream.openai_client import BlockingOpenAIClient, BlockingStart, Limits

MAX_ANSWER_BYTES = 256 * 1024
MAX_SIDE = 1024
"""Pixels of the picture's longer side as it is sent: such models see no more of it."""
_JPEG_QUALITY = 85


class ReviewerClient:
    """Client of the endpoint in `[review]`."""

    def __init__(self, settings: Review) -> None:
        """Raises ConfigurationError without a base URL."""
        if not settings.base_url:
            raise ConfigurationError("[review] base_url is empty, and a configured reviewer needs it")
        # No retries: the job itself is tried again, and a worker does not sleep through a Retry-After
        limits = Limits(total_s=2 * settings.timeout_s, max_bytes=MAX_ANSWER_BYTES, harmless=REFUSED)
        self._client = BlockingOpenAIClient(settings, limits)
        self._dialect = ChatDialect()

    def ask(self, start: BlockingStart) -> bytes:
        """Returns the whole body of an answer.

        Raises:
            ReviewerUnavailable: none within the limits, or an error.
        """
        return self._answered(lambda: self._client.ask(start))

    def ask_chat(self, request: ChatRequest) -> bytes:
        """Returns the whole body of a chat completion.

        Raises:
            ReviewerUnavailable: none within the limits, or an error.
        """
        return self._answered(lambda: ask_chat_blocking(self._client, self._dialect, request))

    def _answered(self, call: Callable[[], bytes]) -> bytes:
        try:
            body = call()
        except UpstreamUnavailable as exc:
            raise ReviewerUnavailable(f"the reviewer does not answer: {exc}") from exc
        self._client.breaker.succeeded()
        return body

    def close(self) -> None:
        """Closes the client's connections."""
        self._client.close()


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """Encodes a picture, (H, W, 3) uint8, as a JPEG of at most MAX_SIDE in a data URI."""
    image = Image.fromarray(pixels)
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
