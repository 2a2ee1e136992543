"""Root of the errors."""


class ImgenError(Exception):
    """Something went wrong."""

    code = "internal"

    def __init__(self, message: str | None = None, *, retry_after_s: int | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().rstrip("."))
        self.retry_after_s = retry_after_s
