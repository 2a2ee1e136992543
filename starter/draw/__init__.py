"""Drawing of the flat pictures that the starter model is trained on. Knows nothing of captions or models."""
