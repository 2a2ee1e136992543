"""Recognition of pictures from anywhere: whether they are ours, and which."""
