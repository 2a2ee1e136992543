"""Searches for the watermark in pictures that were changed: other size, other brightness, cropped, mirrored."""
