"""Provenance of pictures (watermark, fingerprint, C2PA credentials) and the pixel work around it. Reads and writes no store."""
