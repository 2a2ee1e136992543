"""Files of weights: how they are found by name, their headers, and digests of their content. Loads no tensor."""
