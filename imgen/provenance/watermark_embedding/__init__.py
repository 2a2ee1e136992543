"""Embedding of the invisible watermark in blocks: their moves, and how strong they have to be."""
