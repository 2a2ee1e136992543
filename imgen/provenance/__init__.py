"""What proves where a picture came from, and the pixel work around it: pixels and bytes in and out, no I/O."""
