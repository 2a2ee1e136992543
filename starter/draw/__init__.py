"""Draws the flat pictures that the starter model learns from. Knows nothing of captions or models."""
